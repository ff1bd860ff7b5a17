"""Episodes as they come, one line each in a file, so that a killed evaluation loses at most the one under way.

The first line says what the lines belong to. The end of a line is written with it, so a last line without an end was
torn by the kill and is dropped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from hyperflow.errors import DataError
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.records import CostRecord, EpisodeRecord
from hyperflow.images.image_set import ImageSet

__all__ = ["Journal", "run_digest"]


_FORMAT = 2  # 1 had no figures of calibration


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="evaluation"):
    run: str
    format: int = _FORMAT


_Line = _Header | CostRecord | EpisodeRecord


def run_digest(subject: str, config: EvaluationConfig, sets: Sequence[ImageSet]) -> str:
    """Hash of all that the episodes follow from: the subject's own hash, the configuration, and the list of images."""
    digest = hashlib.sha256(subject.encode() + msgspec.json.encode(config))
    for image_set in sets:
        digest.update(f"\n\n{image_set.name}".encode())
        for label, members in image_set.classes.items():
            digest.update("\n".join(["", label, *map(str, members)]).encode())
    return digest.hexdigest()


class Journal:
    """The file. Use it under `with`.

    Attributes:
        episodes: What an earlier run finished, by set and number.
        costs: What an earlier run measured, if it did.
    """

    def __init__(self, path: Path, run: str, *, resume: bool = False) -> None:
        """Start a file, or read one and go on behind its last whole line.

        Args:
            path: The file.
            run: Of `run_digest`.
            resume: Go on, if the file is there.

        Raises:
            DataError: A file is there and `resume` is not set, or it is of another run, or not readable.
        """
        self.path, self._run = path, run
        self.episodes: dict[tuple[str, int], EpisodeRecord] = {}
        self.costs: CostRecord | None = None
        n_whole = 0
        if path.exists():
            if not resume:
                raise DataError(f"{path} is of an evaluation that was interrupted; add --resume, or delete the file")
            n_whole = self._read(path.read_bytes())
        self._file = path.open("r+b" if n_whole else "wb")
        self._file.truncate(n_whole)
        self._file.seek(0, os.SEEK_END)
        if not n_whole:
            self._write(_Header(run))

    def _read(self, content: bytes) -> int:
        """Take in every whole line; returns the number of bytes they fill."""
        n_whole = content.rfind(b"\n") + 1
        decoder = msgspec.json.Decoder(_Line)
        for number, line in enumerate(content[:n_whole].splitlines(), start=1):
            try:
                self._take(decoder.decode(line), number)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise DataError(
                    f"{self.path}, line {number}, cannot be read ({error}); delete the file and start again"
                ) from error
        return n_whole

    def _take(self, line: _Line, number: int) -> None:
        is_header = isinstance(line, _Header)
        if isinstance(line, _Header) and line.format != _FORMAT:
            raise DataError(
                f"{self.path} is of another version of this program (format {line.format}, this one writes {_FORMAT}), "
                "so some figures would be missing; delete the file and start again"
            )
        if is_header != (number == 1) or (isinstance(line, _Header) and line.run != self._run):
            raise DataError(
                f"{self.path} is of another evaluation; resume with the subject, options and data that it began with, "
                "or delete the file"
            )
        if isinstance(line, EpisodeRecord):
            self.episodes[line.set, line.index] = line
        elif isinstance(line, CostRecord):
            self.costs = line

    def _write(self, line: _Line) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()

    def add(self, record: EpisodeRecord | CostRecord) -> None:
        """Append one record; it outlives this process from here on."""
        self._write(record)

    def remove(self) -> None:
        """Delete the file, once the result is written."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
