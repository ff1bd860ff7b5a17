"""Plans of the stand-in: a header as TensorRT writes it, a description of the engine, and the graph it was built from.

Bytes 0..3 of a real plan are a tag, bytes 24..27 major, minor, patch and build (NVIDIA's sampleEngines.cpp).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["BadPlan", "EngineDescription", "TensorDescription", "read_plan", "write_plan"]

_TAG = b"ftrt"
_SERIALISATION_VERSION = 239
_VERSION_AT, _BODY_AT = 24, 28
_DIGEST_BYTES = 32


class BadPlan(Exception):
    """Why a plan is refused, in TensorRT's words."""


@dataclass(frozen=True)
class TensorDescription:
    """An input or output.

    Attributes:
        name: In the graph.
        data_type: TensorRT's name of its type.
        dims: Its shape; a text where a size varies, the same for sizes that are always equal.
        is_input: Whether it is one.
    """

    name: str
    data_type: str
    dims: tuple[int | str, ...]
    is_input: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, with -1 for sizes that vary."""
        return tuple(dim if isinstance(dim, int) else -1 for dim in self.dims)


@dataclass(frozen=True)
class EngineDescription:
    """What a plan says of its engine.

    Attributes:
        device: Name, capability and multiprocessors of the GPU it was built on.
        tensors: Inputs, then outputs.
        profiles: For each profile the least, usual and largest shape of each input whose shape varies.
        information: What its inspector answers.
    """

    device: tuple[str, str, int]
    tensors: tuple[TensorDescription, ...]
    profiles: tuple[dict[str, tuple[tuple[int, ...], ...]], ...]
    information: str


def write_plan(version: str, description: EngineDescription, onnx: bytes) -> bytes:
    """Write a plan of a version such as `10.13.3.9`."""
    text = json.dumps(asdict(description)).encode()
    body = len(text).to_bytes(8, "little") + text + onnx
    header = _TAG + _SERIALISATION_VERSION.to_bytes(4, "little") + bytes(_VERSION_AT - 8) + bytes(_numbers(version))
    return header + hashlib.sha256(body).digest() + body


def read_plan(plan: bytes, version: str, device: tuple[str, str, int]) -> tuple[EngineDescription, bytes]:
    """Read a plan on a device.

    Args:
        plan: All of its bytes.
        version: Of the library that reads it.
        device: Name, capability and multiprocessors.

    Returns:
        The description, and the graph.

    Raises:
        BadPlan: It is torn, of another version, or of another device.
    """
    if plan[:4] != _TAG or len(plan) < _BODY_AT + _DIGEST_BYTES:
        raise BadPlan("Error Code 1: Serialization (Serialization assertion failed. Magic tag does not match)")
    built, here = tuple(plan[_VERSION_AT:_BODY_AT]), _numbers(version)
    if built != here:
        expected, got = (".".join(map(str, numbers)) for numbers in (here, built))
        raise BadPlan(
            "Error Code 6: API Usage Error (The engine plan file is not compatible with this version of TensorRT, "
            f"expecting library version {expected} got {got}, please rebuild.)"
        )
    body = plan[_BODY_AT + _DIGEST_BYTES :]
    if hashlib.sha256(body).digest() != plan[_BODY_AT : _BODY_AT + _DIGEST_BYTES]:
        raise BadPlan("Error Code 1: Serialization (Serialization assertion remaining >= size failed)")
    end = 8 + int.from_bytes(body[:8], "little")
    description = _description(json.loads(body[8:end]))
    if description.device[1] != device[1]:
        raise BadPlan(
            "Error Code 6: API Usage Error (The engine plan file is generated on an incompatible device, expecting "
            f"compute {device[1]} got compute {description.device[1]}, please rebuild.)"
        )
    return description, body[end:]


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(number) for number in re.findall(r"\d+", version)[:4]]
    return (*numbers, *[0] * (4 - len(numbers)))


def _description(read: dict[str, Any]) -> EngineDescription:
    name, capability, n_multiprocessors = read["device"]
    tensors = tuple(TensorDescription(**{**tensor, "dims": tuple(tensor["dims"])}) for tensor in read["tensors"])
    profiles = tuple(
        {name: tuple(tuple(shape) for shape in shapes) for name, shapes in profile.items()}
        for profile in read["profiles"]
    )
    return EngineDescription((name, capability, n_multiprocessors), tensors, profiles, read["information"])
