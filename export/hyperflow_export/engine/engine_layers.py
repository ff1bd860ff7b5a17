"""What a built engine says of its layers. It must be deserialised for that, and so needs the GPU it was built for."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hyperflow_export.errors import PrecisionError
from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary
from hyperflow_runtime.backends.tensorrt.logger import make_logger

__all__ = ["engine_information", "layer_precisions"]

_WORDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    # From narrow to wide: a layer counts as the narrowest type that it reads, writes or holds.
    ("fp4", re.compile(r"\b(fp4|e2m1)", re.IGNORECASE)),
    ("int4", re.compile(r"\bint4", re.IGNORECASE)),
    ("fp8", re.compile(r"\b(fp8|e4m3)", re.IGNORECASE)),
    ("int8", re.compile(r"\bint8", re.IGNORECASE)),
    ("bf16", re.compile(r"\b(bf16|bfloat16)", re.IGNORECASE)),
    ("fp16", re.compile(r"\b(fp16|half|float16)", re.IGNORECASE)),
    ("fp32", re.compile(r"\b(fp32|float|float32)\b", re.IGNORECASE)),
)
_MOVING = frozenset({"reformat", "noop", "constant", "shapehostcall", "shape"})
"""Layers that compute nothing."""


def engine_information(library: TensorRTLibrary, plan: bytes, title: str) -> str:
    """Ask an engine for its layers, as JSON. Called with the device's context current.

    Args:
        library: That built it.
        plan: All of its bytes.
        title: What it is, for messages.

    Raises:
        PrecisionError: The engine cannot be loaded again, or cannot be asked.
    """
    log = make_logger(library)
    log.clear()
    runtime = library.module.Runtime(log.logger)
    engine = runtime.deserialize_cuda_engine(plan)
    inspector = None if engine is None else engine.create_engine_inspector()
    if inspector is None:
        raise PrecisionError(f"{library} cannot read its own engine of {title} again ({log.explain()})")
    # Without an execution context types have their short names, and shapes that vary do not hide them.
    return str(inspector.get_engine_information(library.module.LayerInformationFormat.JSON))


def layer_precisions(information: str) -> dict[str, int]:
    """Count an engine's layers by precision, the most frequent first; layers that only move data are left out.

    Args:
        information: From `engine_information`. Layers that tell no type are not counted.
    """
    try:
        layers = json.loads(information)["Layers"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    found = map(_precision, _dicts(layers))
    return dict(Counter(precision for precision in found if precision is not None).most_common())


def _precision(layer: Mapping[str, Any]) -> str | None:
    if str(layer.get("LayerType", "")).lower() in _MOVING:
        return None
    tensors = [*_dicts(layer.get("Inputs")), *_dicts(layer.get("Outputs"))]
    said = [str(tensor.get("Format/Datatype", "")) for tensor in tensors]
    said += [str(weights.get("Type", "")) for weights in _dicts([layer.get("Weights")])]
    return next((name for name, word in _WORDS if any(map(word.search, said))), None)


def _dicts(values: object) -> list[Mapping[str, Any]]:
    return [value for value in values if isinstance(value, Mapping)] if isinstance(values, list) else []
