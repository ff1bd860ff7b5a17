"""A graph that rounds to fp16 for real, wherever the processor has no fp16 kernels.

onnxruntime computes an fp16 graph in float32 there, and leaves out the rounding between two such nodes; an engine on
a GPU does not. With a cast to fp16 and back after every fp16 node, in a graph otherwise float32, both round alike.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from hyperflow_export.precision.graph_view import GraphView, load_graph

__all__ = ["with_rounding"]

_MOVES_ONLY = frozenset({
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Relu", "Reshape", "Slice",
    "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip
"""Nodes whose outputs are numbers that were in their inputs, and so are rounded already."""


def with_rounding(graph: bytes) -> bytes:
    """Write an fp16 graph as a float32 graph that rounds every value as fp16 does.

    Args:
        graph: Serialised ONNX model with fp16 inside, and int8 at most beside it.

    Returns:
        Serialised ONNX model; one without fp16 comes back with the same results.
    """
    view = GraphView(load_graph(graph))
    model = onnx.ModelProto()
    model.CopyFrom(view.model)
    out = model.graph
    del out.node[:], out.value_info[:]
    for tensor in out.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in view.nodes:
        out.node.extend(_rounded(view, node))
    data: bytes = model.SerializeToString()
    return data


def _rounded(view: GraphView, node: NodeProto) -> list[NodeProto]:
    """The node in float32, and what rounds its outputs."""
    copy = NodeProto()
    copy.CopyFrom(node)
    if node.op_type == "Cast":
        return _rounded_cast(view, node, copy)
    written = [copy]
    for index, name in enumerate(node.output):
        if view.element_type(name) == TensorProto.FLOAT16 and node.op_type not in _MOVES_ONLY:
            copy.output[index] = f"{name}_exact"
            written += _round_trip(copy.output[index], name)
    return written


def _rounded_cast(view: GraphView, node: NodeProto, copy: NodeProto) -> list[NodeProto]:
    source, target = (view.element_type(name) for name in (node.input[0], node.output[0]))
    if target == TensorProto.FLOAT16:
        return _round_trip(node.input[0], node.output[0])
    if source == TensorProto.FLOAT16 and target == TensorProto.FLOAT:
        return [helper.make_node("Identity", [node.input[0]], [node.output[0]], name=node.name)]
    return [copy]


def _round_trip(source: str, target: str) -> list[NodeProto]:
    half = f"{target}_half"
    return [
        helper.make_node("Cast", [source], [half], name=f"round_{target}", to=TensorProto.FLOAT16),
        helper.make_node("Cast", [half], [target], name=f"widen_{target}", to=TensorProto.FLOAT),
    ]
