"""What a graph computes in, read from the graph itself: nothing here knows what was asked for."""

from __future__ import annotations

import math

import numpy as np
from onnx import NodeProto, TensorProto

from hyperflow_export.precision.graph_view import GraphView, attribute, load_graph
from hyperflow_runtime.bundle.manifest import Precision

__all__ = ["precision_shares"]

_TYPES: dict[int, Precision] = {TensorProto.FLOAT: "fp32", TensorProto.FLOAT16: "fp16"}


def precision_shares(graph: bytes) -> dict[Precision, float]:
    """Share of the multiply-accumulates of convolutions and matrix products in each precision.

    A product counts as int8 when both of its factors come out of a DequantizeLinear of int8, since that is what an
    engine turns into an int8 kernel. Sizes that are not fixed in the graph count as 1.

    Args:
        graph: Serialised ONNX model.
    """
    view = GraphView(load_graph(graph))
    macs: dict[Precision, float] = {"fp32": 0.0, "fp16": 0.0, "int8": 0.0}
    for node in view.nodes:
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            macs[_precision(view, node)] += _macs(view, node)
    total = sum(macs.values())
    return {precision: share / total if total else 0.0 for precision, share in macs.items()}


def _precision(view: GraphView, node: NodeProto) -> Precision:
    makers = [view.maker.get(name) for name in node.input[:2]]
    if all(maker is not None and _dequantises_int8(view, maker) for maker in makers):
        return "int8"
    return _TYPES.get(view.element_type(node.output[0]), "fp32")


def _dequantises_int8(view: GraphView, maker: NodeProto) -> bool:
    return maker.op_type == "DequantizeLinear" and view.element_type(maker.input[0]) == TensorProto.INT8


def _macs(view: GraphView, node: NodeProto) -> float:
    left, right, out = (view.shape(name) for name in (node.input[0], node.input[1], node.output[0]))
    n_out = float(np.prod([max(size, 1) for size in out]))
    if node.op_type == "Conv":
        return n_out * math.prod(max(size, 1) for size in right[1:])
    if node.op_type == "ConvTranspose":
        n_in = float(np.prod([max(size, 1) for size in left]))
        return n_in * math.prod(max(size, 1) for size in right[1:])
    inner = left[-1] if node.op_type == "MatMul" or not attribute(node, "transA", 0) else left[0]
    if not inner and len(right) > 1:
        inner = right[-1] if node.op_type == "Gemm" and attribute(node, "transB", 0) else right[-2]
    return n_out * max(inner, 1)
