"""Reading a backbone's public weights out of an ONNX file: its initialisers, and nothing of its graph."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from hyperflow.backbones.weight_arrays import read_weight_arrays
from hyperflow.errors import CheckpointError
from hyperflow_export.errors import ExportError

__all__ = ["onnx_weight_arrays", "read_backbone_file", "read_onnx_weights"]

_MAX_BYTES = 2**28
_FLOAT_BYTES = 4


def read_backbone_file(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the named weights of a public file.

    Args:
        path: `.onnx`, or `.npz` of the same arrays.

    Raises:
        ExportError: Another kind of file, or an ONNX file that cannot be read.
        hyperflow.errors.CheckpointError: An `.npz` that cannot be read.
    """
    kind = path.suffix.lower()
    if kind == ".npz":
        return read_weight_arrays(path)
    if kind == ".onnx":
        return read_onnx_weights(path)
    raise ExportError(f"{path} is neither .onnx nor .npz; name the file as it was published")


def onnx_weight_arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    """Do what `read_onnx_weights` does for `hyperflow`; announced through the entry point group of its reader.

    Raises:
        hyperflow.errors.CheckpointError: The file cannot be read.
    """
    try:
        return read_onnx_weights(path)
    except ExportError as error:
        raise CheckpointError(str(error)) from error


def read_onnx_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the float32 initialisers of an ONNX file. Other types are left out, and other files are never opened.

    Args:
        path: At most 256 MiB, with its weights inside.

    Raises:
        ExportError: Missing, too large, torn, without weights, with weights in other files, or an initialiser is not
            what it says of itself.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > _MAX_BYTES:
                raise ExportError(f"{path} is larger than 256 MiB, which no file of such a backbone is")
            graph = onnx.ModelProto.FromString(file.read(_MAX_BYTES)).graph
    except OSError as error:
        raise ExportError(f"{path} cannot be read ({error.strerror or error})") from error
    except DecodeError as error:
        raise ExportError(f"{path} is not a whole ONNX file ({error}); download it again") from error
    arrays: dict[str, NDArray[np.float32]] = {}
    for tensor in graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise ExportError(
                f"{path}: {tensor.name[:80]!r} lies in another file, and no file that a file names is opened; "
                "bring one with its weights inside"
            )
        if tensor.name in arrays:
            raise ExportError(f"{path} holds {tensor.name[:80]!r} twice; download it again")
        if tensor.data_type == TensorProto.FLOAT:
            arrays[tensor.name] = _as_array(tensor, path)
    if not arrays:
        raise ExportError(f"{path} holds no float32 weights; expected an ONNX file with a trained network")
    return arrays


def _as_array(tensor: onnx.TensorProto, path: Path) -> NDArray[np.float32]:
    """Decode one initialiser whose bytes back the shape it claims."""
    n_values = len(tensor.raw_data) // _FLOAT_BYTES if tensor.raw_data else len(tensor.float_data)
    if min(tensor.dims, default=0) < 0 or math.prod(tensor.dims) != n_values:
        raise ExportError(
            f"{path}: {tensor.name[:80]!r} claims the shape {tuple(tensor.dims)[:8]}, but holds {n_values} numbers; "
            "download it again"
        )
    try:
        return np.asarray(numpy_helper.to_array(tensor), dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise ExportError(f"{path}: {tensor.name[:80]!r} cannot be read ({error}); download it again") from error
