"""Weights as named arrays, whatever file they came in, and the hash that tells one set of weights from another."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hyperflow.errors import CheckpointError

__all__ = ["Arrays", "read_weight_arrays", "weights_sha256"]

Arrays = Mapping[str, NDArray[np.float32]]
_MAX_BYTES = 2**30


def read_weight_arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read every array of a weight file.

    Args:
        path: `.npz`; or `.onnx`, which `hyperflow_export` reads and announces through the entry point group
            `hyperflow.weight_arrays`, because this package does not need onnx.

    Raises:
        CheckpointError: Not readable, larger than 1 GiB, or an ONNX file where `hyperflow_export` is not installed.
    """
    if path.suffix.lower() != ".onnx":
        return _read_npz(path)
    for entry_point in entry_points(group="hyperflow.weight_arrays", name="onnx"):
        read: Callable[[Path], dict[str, NDArray[np.float32]]] = entry_point.load()
        return read(path)
    raise CheckpointError(f"{path} is an ONNX file; reading it needs hyperflow_export: pip install 'hyperflow[export]'")


def _read_npz(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with path.open("rb") as file:
            with zipfile.ZipFile(file) as members:
                n_bytes = sum(member.file_size for member in members.infolist())
            if n_bytes > _MAX_BYTES:
                raise CheckpointError(f"{path} unpacks to {n_bytes} bytes; weights of more than 1 GiB are not read")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, TypeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise CheckpointError(f"{path} is not a readable .npz file ({error})") from error


def weights_sha256(arrays: Arrays) -> str:
    """Hash names, shapes and values, as float32, in the order of the names; the file they came in has no part in it.

    Args:
        arrays: All that the network is made of, and nothing else.
    """
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {tuple(int(side) for side in array.shape)}\n".encode())
        digest.update(np.ascontiguousarray(array, dtype="<f4").tobytes())
    return digest.hexdigest()
