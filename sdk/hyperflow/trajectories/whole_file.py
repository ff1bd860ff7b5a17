"""Files that are there whole, or not at all, whenever the power goes."""

from __future__ import annotations

import os
from pathlib import Path

from hyperflow.errors import TrainingError

__all__ = ["replace_file"]


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and on disk before this returns.

    Raises:
        TrainingError: The disk is full or the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(f"cannot write {path} ({error}); free some space and run again with --resume") from error
