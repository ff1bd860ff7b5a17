"""One graph from fp32 to fp16 with fp32 where it matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from hyperflow_export.errors import ExportError
from hyperflow_export.precision.activation_peaks import tensors_too_large_for_half
from hyperflow_export.precision.graph_view import GraphView, load_graph
from hyperflow_export.precision.half_plan import plan_half
from hyperflow_export.precision.half_rewriting import rewrite_half

__all__ = ["to_half"]

Feeds = Sequence[Mapping[str, NDArray[np.float32]]]


def to_half(graph: bytes, feeds: Feeds, *, parameter: str | None = None) -> tuple[bytes, dict[str, str]]:
    """Write a graph in mixed precision; see `half_plan` for what is in fp16.

    Args:
        graph: Serialised ONNX model in float32, or with int8 in it.
        feeds: Inputs to watch the size of values on, one run each.
        parameter: Input that holds adapted weights.

    Returns:
        The graph, and the nodes that would have been in fp16, each with the reason why it is not.

    Raises:
        ExportError: The graph that was made is not valid.
    """
    view = GraphView(load_graph(graph))
    plan = plan_half(view, parameter=parameter)
    half_nodes = [node for node in view.nodes if node.name in plan.half]
    names = [name for node in half_nodes for name in (*node.output, *node.input) if name not in view.constants]
    too_large = tensors_too_large_for_half(view, feeds, names)
    if too_large:
        plan = plan_half(view, parameter=parameter, too_large=too_large)
    model = rewrite_half(view, plan)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the graph in fp16 is not valid ({error}); export in fp32") from error
    data: bytes = model.SerializeToString()
    return data, plan.kept
