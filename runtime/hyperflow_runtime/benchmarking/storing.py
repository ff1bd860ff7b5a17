"""Results in files: a folder of references, with a folder in it for each board."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

import msgspec

from hyperflow_runtime.benchmarking.report import BenchmarkReport
from hyperflow_runtime.errors import BenchmarkError

__all__ = ["read_report", "reference_path", "write_report"]

_MAX_BYTES = 2**22


def reference_path(folder: Path, report: BenchmarkReport) -> Path:
    """Where the result of a board, bundle and backend lies in a folder of references, or would."""
    name = "-".join(("runtime", _plain(report.bundle.name), _plain(report.backend)))
    return folder / _plain(report.board.slug) / f"{name}.json"


def _plain(name: str) -> str:
    """A name from a bundle as a part of a file's name, so that it cannot lead elsewhere."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", name)[:100].strip("-") or "unnamed"


def write_report(path: Path, report: BenchmarkReport) -> None:
    """Write a result as JSON, whole or not at all; an older one is replaced.

    Raises:
        BenchmarkError: It cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            partial = Path(file.name)
            file.write(text)
        partial.chmod(0o644)
        os.replace(partial, path)
    except OSError as error:
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise BenchmarkError(f"{path} cannot be written ({error.strerror}); choose another place") from error


def read_report(path: Path) -> BenchmarkReport:
    """Read a stored result.

    Raises:
        BenchmarkError: Missing, or no result of this version's benchmark.
    """
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            raise BenchmarkError(f"no stored result at {path}; hyperflow-runtime benchmark BUNDLE --store FOLDER")
        return msgspec.json.decode(path.read_bytes(), type=BenchmarkReport)
    except OSError as error:
        raise BenchmarkError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise BenchmarkError(
            f"{path} is no result of hyperflow-runtime benchmark ({error}); store it again with --store"
        ) from error
