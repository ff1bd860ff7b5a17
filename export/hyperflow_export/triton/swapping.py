"""Putting several staged folders in the place of those in force: all of them, or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from hyperflow_export.errors import ExportError

__all__ = ["staging_beside", "swap_all"]


@contextmanager
def staging_beside(output: Path) -> Iterator[Path]:
    """Give a temporary folder beside `output`, on the same disk, and remove what is left in it afterwards.

    It is not inside: a running server takes every folder of its repository for a model, hidden ones too.

    Raises:
        ExportError: The disk is full, or the place cannot be written.
    """
    staging: Path | None = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(mkdtemp(dir=output.parent, prefix=f".{output.name}-"))
        staging.chmod(0o755)
        yield staging
    except OSError as error:
        raise ExportError(f"{output} cannot be written ({error.strerror or error}); nothing was changed") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def swap_all(staging: Path, output: Path, names: Sequence[str]) -> None:
    """Move folders of these names from `staging` into `output`, in the place of those that are there.

    Args:
        staging: From `staging_beside`; takes the replaced folders.
        output: Where they go.
        names: Of the folders.

    Raises:
        OSError: A folder cannot be moved; all of `output` is as it was.
    """
    aside = staging / ".replaced"
    aside.mkdir()
    done: list[str] = []
    try:
        for name in names:
            if (output / name).exists():
                os.rename(output / name, aside / name)
            done.append(name)
            os.rename(staging / name, output / name)
    except OSError:
        for name in reversed(done):
            if (output / name).exists():
                os.rename(output / name, staging / name)
            if (aside / name).exists():
                os.rename(aside / name, output / name)
        raise
