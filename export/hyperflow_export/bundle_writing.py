"""Writing a bundle: into a temporary folder beside the output, verified there, then renamed."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from hyperflow_export.errors import ExportError, OutputExistsError
from hyperflow_runtime.bundle.manifest import BUNDLE_FILES, FileEntry, Manifest

__all__ = ["npy_bytes", "npz_bytes", "staged_output", "write_files"]


def npy_bytes(array: NDArray[np.generic]) -> bytes:
    """Encode one array as `.npy`."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def npz_bytes(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """Encode arrays as a compressed `.npz`."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **cast(dict[str, Any], dict(arrays)))
    return buffer.getvalue()


def file_entries(files: Mapping[str, bytes]) -> dict[str, FileEntry]:
    """Size and hash of each file, as the manifest lists them."""
    return {name: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in sorted(files.items())}


def write_files(folder: Path, files: Mapping[str, bytes], manifest: Manifest) -> None:
    """Write all files of a bundle and its manifest into an existing folder."""
    if tuple(sorted(files)) != BUNDLE_FILES:
        raise ExportError(f"a bundle has the files {', '.join(BUNDLE_FILES)}, got {', '.join(sorted(files))}")
    for name, data in files.items():
        (folder / name).write_bytes(data)
    encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    (folder / "manifest.json").write_bytes(encoded)


@contextmanager
def staged_output(output: Path, *, force: bool) -> Iterator[Path]:
    """Give a temporary folder beside `output`, and put it in its place when the block ends without an error.

    Args:
        output: Final place of the bundle.
        force: Replace an existing bundle. Nothing but a bundle is ever replaced.

    Raises:
        OutputExistsError: The output exists and was not to be replaced, or is no bundle.
        ExportError: The disk is full, or the place cannot be written.
    """
    if output.exists() or output.is_symlink():
        if not force:
            raise OutputExistsError(f"{output} exists; add --force to replace it, or choose another name")
        if not (output / "manifest.json").is_file():
            raise OutputExistsError(f"{output} exists and is no bundle, so it is left alone; choose another name")
    staging: Path | None = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=output.parent, prefix=f".{output.name}-"))
        staging.chmod(0o755)
        yield staging
        _swap(staging, output)
    except OSError as error:
        raise ExportError(f"{output} cannot be written ({error.strerror or error}); nothing was changed") from error
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)


def _swap(staging: Path, output: Path) -> None:
    """Move the old bundle aside first, so that at every moment one whole bundle is on disk."""
    if not output.exists():
        os.rename(staging, output)
        return
    aside = staging.with_name(staging.name + "-old")
    os.rename(output, aside)
    try:
        os.rename(staging, output)
    except OSError:
        os.rename(aside, output)
        raise
    if aside.is_symlink():
        aside.unlink()
    shutil.rmtree(aside, ignore_errors=True)
