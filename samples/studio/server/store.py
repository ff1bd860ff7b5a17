"""Saved adaptations: files NAME.adaptation in one folder."""

from __future__ import annotations

import io
import os
import re
import tempfile
import zipfile
from datetime import datetime, timezone
from pathlib import Path

from hyperflow_runtime import AdaptationFileError, Model
from server.problems import Problem
from server.schemas import SavedAdaptation

__all__ = ["AdaptationStore", "checked_adaptation_name", "most_file_bytes"]

_NAME = re.compile(r"[A-Za-z0-9_-]([A-Za-z0-9 _.-]{0,62}[A-Za-z0-9_-])?", re.ASCII)
_SUFFIX = ".adaptation"
_MAX_FILES = 200


def checked_adaptation_name(name: str) -> str:
    """Return a name that is safe as that of a file.

    Raises:
        Problem: 422, it is not.
    """
    if _NAME.fullmatch(name) is None:
        raise Problem(
            422, f"{name!r:.80} cannot be the name of an adaptation; use 1 to 64 letters, digits, '-', '_', and "
            "spaces or dots within."
        )  # fmt: skip
    return name


def most_file_bytes(model: Model) -> int:
    """Return the size of the largest adaptation of a model, with a megabyte to spare."""
    manifest = model.manifest
    feature_bytes, side_px = 4 * manifest.feature_dim, manifest.preprocessing.size_px
    shots = manifest.limits.max_support * (feature_bytes + 3 * side_px**2)
    return 4 * manifest.n_parameters + manifest.limits.max_ways * feature_bytes + shots + 2**20


def _cannot_write(error: OSError) -> Problem:
    return Problem(
        507, f"The studio's folder cannot be written ({error.strerror}); free some space, or look at its rights."
    )


def _check_unpacked(data: bytes, limit: int) -> None:
    """Refuse a small file that unpacks to a large one, before it is unpacked; the runtime checks all else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            n_bytes = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise Problem(422, f"The file of {len(data)} bytes is not a whole adaptation file ({error}).") from error
    if n_bytes > limit:
        raise Problem(422, f"The file unpacks to {n_bytes:,} bytes, no adaptation of this bundle has over {limit:,}.")


class AdaptationStore:
    """The folder of saved adaptations. Any thread may call it."""

    def __init__(self, folder: Path, model: Model) -> None:
        """Make the folder when it is absent.

        Raises:
            OSError: It cannot be made or read.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._model = folder.resolve(strict=True), model
        self._known: dict[tuple[str, int, int], SavedAdaptation] = {}

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self._folder

    def path(self, name: str) -> Path:
        """Return the file of a name, there or not.

        Raises:
            Problem: 422, the name is not fit for a file.
        """
        path = self._folder / (checked_adaptation_name(name) + _SUFFIX)
        if path.parent != self._folder or path.is_symlink():
            raise Problem(422, f"{name!r:.80} does not lie in the studio's folder; choose another name.")
        return path

    def existing(self, name: str) -> Path:
        """Return the file of a name.

        Raises:
            Problem: 422, as `path`; 404, there is none.
        """
        path = self.path(name)
        if not path.is_file():
            raise Problem(404, f"There is no saved adaptation {name!r}; it may have been deleted in another window.")
        return path

    def for_writing(self, name: str, *, overwrite: bool) -> Path:
        """Return the file that may be written for a name.

        Raises:
            Problem: 422, as `path`; 409, it exists, or there are too many.
        """
        path = self.path(name)
        if path.exists():
            if not overwrite:
                raise Problem(409, f"There is an adaptation {name!r} already; replace it, or choose another name.")
        elif len(self._files()) >= _MAX_FILES:
            raise Problem(409, f"There are {_MAX_FILES} saved adaptations already; delete one first.")
        return path

    def describe(self, name: str) -> SavedAdaptation:
        """Return what is to be known of one file.

        Raises:
            Problem: 404, there is none.
        """
        return self._described(self.existing(name))

    def saved(self) -> list[SavedAdaptation]:
        """Return all adaptations, newest first. Files of another bundle are listed too, with the reason."""
        found = []
        for path in self._files():
            try:
                found.append(self._described(path))
            except Problem:
                continue  # deleted since
        return sorted(found, key=lambda saved: saved.saved_at, reverse=True)

    def delete(self, name: str) -> None:
        """Delete one.

        Raises:
            Problem: 404, there is none; 507, the folder cannot be written.
        """
        path = self.existing(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise _cannot_write(error) from error

    def put(self, name: str, data: bytes, *, overwrite: bool) -> SavedAdaptation:
        """Keep an uploaded file, when the runtime can load it.

        Raises:
            Problem: 409, it exists; 422, torn, hostile, or of another bundle; 507, the folder cannot be written.
        """
        path = self.for_writing(name, overwrite=overwrite)
        _check_unpacked(data, most_file_bytes(self._model))
        partial = None
        try:
            handle, partial = tempfile.mkstemp(dir=self._folder, prefix=".upload-")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            self._model.session(partial, bake=False)
            Path(partial).chmod(0o644)
            os.replace(partial, path)
        except AdaptationFileError as error:
            raise Problem(422, str(error).replace(str(partial), "The file")) from error
        except OSError as error:
            raise _cannot_write(error) from error
        finally:
            if partial is not None:
                Path(partial).unlink(missing_ok=True)
        return self._described(path)

    def _files(self) -> list[Path]:
        return [
            path
            for path in sorted(self._folder.glob(f"*{_SUFFIX}"))
            if _NAME.fullmatch(path.name.removesuffix(_SUFFIX)) and path.is_file() and not path.is_symlink()
        ]

    def _described(self, path: Path) -> SavedAdaptation:
        name = path.name.removesuffix(_SUFFIX)
        try:
            stat = path.stat()
        except OSError as error:
            raise Problem(404, f"There is no saved adaptation {name!r} any more.") from error
        key = (name, stat.st_mtime_ns, stat.st_size)
        if key not in self._known:
            classes, problem = self._contents(path)
            saved_at = datetime.fromtimestamp(stat.st_mtime, timezone.utc).isoformat(timespec="milliseconds")
            self._forget(name)
            self._known[key] = SavedAdaptation(name, stat.st_size, saved_at, classes, problem)
        return self._known[key]

    def _contents(self, path: Path) -> tuple[list[str], str | None]:
        try:
            return list(self._model.session(path, bake=False).labels), None
        except AdaptationFileError as error:
            return [], str(error).replace(str(path), path.name)

    def _forget(self, name: str) -> None:
        for key in [key for key in self._known if key[0] == name]:
            self._known.pop(key, None)
