"""Turning one input of an ONNX file into a constant, on a device that has no onnx package.

An ONNX file is a protobuf message (https://protobuf.dev/programming-guides/encoding/). Only the outer two levels are
walked: the model's graph is found, the input's declaration is dropped, and a tensor of that name is appended to the
initialisers. A runtime then folds the constant into the weights around it, as if it had been one from the start.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["with_constant_input"]

_LENGTH_DELIMITED = 2
_FIXED_SIZES = {1: 8, 5: 4}
# Field numbers of onnx.proto: ModelProto, GraphProto, ValueInfoProto, TensorProto.
_MODEL_GRAPH, _GRAPH_INITIALIZER, _GRAPH_INPUT, _VALUE_NAME = 7, 5, 11, 1
_TENSOR_DIMS, _TENSOR_DATA_TYPE, _TENSOR_NAME, _TENSOR_RAW_DATA = 1, 2, 8, 9
_FLOAT = 1


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("torn protobuf message")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data: memoryview) -> Iterator[tuple[int, int, memoryview, memoryview]]:
    """Yield number, wire type, whole bytes and payload of each field."""
    at = 0
    while at < len(data):
        start = at
        key, at = _read_varint(data, at)
        wire_type = key & 7
        if wire_type == _LENGTH_DELIMITED:
            length, at = _read_varint(data, at)
            payload = data[at : at + length]
            at += length
        elif wire_type == 0:
            _, end = _read_varint(data, at)
            payload, at = data[at:end], end
        elif wire_type in _FIXED_SIZES:
            payload, at = data[at : at + _FIXED_SIZES[wire_type]], at + _FIXED_SIZES[wire_type]
        else:
            raise ValueError(f"unexpected wire type {wire_type}")
        if at > len(data):
            raise ValueError("torn protobuf message")
        yield key >> 3, wire_type, data[start:at], payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _start(number: int, length: int) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(length)


def _field(number: int, payload: bytes) -> bytes:
    return _start(number, len(payload)) + payload


def _tensor(name: str, value: NDArray[np.float32]) -> bytes:
    dims = b"".join(_varint(_TENSOR_DIMS << 3) + _varint(size) for size in value.shape)
    data_type = _varint(_TENSOR_DATA_TYPE << 3) + _varint(_FLOAT)
    raw = np.ascontiguousarray(value, dtype="<f4").tobytes()
    return dims + data_type + _field(_TENSOR_NAME, name.encode()) + _field(_TENSOR_RAW_DATA, raw)


def _declares(value_info: memoryview, name: str) -> bool:
    return any(
        number == _VALUE_NAME and bytes(payload) == name.encode() for number, _, _, payload in _fields(value_info)
    )


def _graph_with_constant(graph: memoryview, name: str, value: NDArray[np.float32]) -> list[bytes | memoryview]:
    kept: list[bytes | memoryview] = []
    n_dropped = 0
    for number, _, whole, payload in _fields(graph):
        if number == _GRAPH_INPUT and _declares(payload, name):
            n_dropped += 1
        else:
            kept.append(whole)
    if n_dropped != 1:
        raise ValueError(f"the graph has {n_dropped} inputs named {name!r}, expected one")
    return [*kept, _field(_GRAPH_INITIALIZER, _tensor(name, value))]


def with_constant_input(model: bytes, name: str, value: NDArray[np.float32]) -> bytes:
    """Replace one input of an ONNX model by a constant.

    Args:
        model: Serialised ModelProto.
        name: The input.
        value: What it shall be from now on, float32 of the input's shape.

    Returns:
        Serialised ModelProto without that input.

    Raises:
        ValueError: No whole ONNX file, or no such input.
    """
    # Nothing is copied before the end: copying megabytes keeps every other Python thread waiting.
    parts: list[bytes | memoryview] = []
    n_graphs = 0
    for number, _, whole, payload in _fields(memoryview(model)):
        if number == _MODEL_GRAPH:
            n_graphs += 1
            graph = _graph_with_constant(payload, name, value)
            parts += [_start(_MODEL_GRAPH, sum(map(len, graph))), *graph]
        else:
            parts.append(whole)
    if n_graphs != 1:
        raise ValueError(f"the model has {n_graphs} graphs, expected one")
    return b"".join(parts)
