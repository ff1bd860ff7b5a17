"""How large the values inside a graph become, so that fp16 is not chosen where it would overflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from hyperflow_export.precision.graph_view import GraphView
from hyperflow_export.precision.half_plan import HALF_MAX

__all__ = ["tensors_too_large_for_half"]

_HEADROOM = 4.0
"""Images that nobody showed at export may drive a network further than those that were shown."""


def tensors_too_large_for_half(
    view: GraphView, feeds: Iterable[Mapping[str, NDArray[np.float32]]], names: Iterable[str]
) -> frozenset[str]:
    """Run a float32 graph and find the tensors that come within a factor of four of the largest number of fp16.

    Args:
        view: Of the graph; not changed.
        feeds: Inputs by name, one run each.
        names: Tensors to watch.
    """
    watched = sorted(name for name in set(names) if view.is_float(name) and name not in view.outputs)
    model = onnx.ModelProto()
    model.CopyFrom(view.model)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in watched)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: set[str] = set()
    for feed in feeds:
        values = zip(watched, session.run(watched, dict(feed)), strict=True)
        found |= {name for name, value in values if value.size and not np.abs(value).max() * _HEADROOM < HALF_MAX}
    return frozenset(found)
