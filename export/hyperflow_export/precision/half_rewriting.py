"""Carrying out a plan for fp16: weights in fp16, and one cast for each tensor that is read in the other precision."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from hyperflow_export.precision.graph_view import GraphView
from hyperflow_export.precision.half_plan import HalfPlan

__all__ = ["rewrite_half"]

_FLOAT32_ALWAYS = {"Resize": (2,)}
"""Inputs that ONNX defines as float32 whatever the data is."""


def rewrite_half(view: GraphView, plan: HalfPlan) -> onnx.ModelProto:
    """Build the graph in mixed precision; its inputs and outputs stay float32.

    Args:
        view: Of the graph that was planned for. Not changed.
        plan: Which nodes compute in fp16.
    """
    rewriter = _Rewriter(view, plan)
    model = onnx.ModelProto()
    model.CopyFrom(view.model)
    graph = model.graph
    nodes = rewriter.nodes()
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    graph.initializer.extend(tensor for tensor in view.constants.values() if tensor.name in used)
    graph.initializer.extend(tensor for name, tensor in rewriter.half_constants.items() if name in used)
    return model


class _Rewriter:
    def __init__(self, view: GraphView, plan: HalfPlan) -> None:
        self._view, self._half = view, plan.half
        self._in_half = {name for node in view.nodes if node.name in plan.half for name in node.output}
        self.half_constants: dict[str, TensorProto] = {}
        self._casts: dict[str, str] = {}
        self._written: list[NodeProto] = []

    def nodes(self) -> list[NodeProto]:
        for node in self._view.nodes:
            copy = NodeProto()
            copy.CopyFrom(node)
            wants_half = node.name in self._half
            fixed = _FLOAT32_ALWAYS.get(node.op_type, ())
            for index, name in enumerate(node.input):
                if name and self._view.is_float(name):
                    copy.input[index] = self._read(name, half=wants_half and index not in fixed)
            self._written.append(copy)
            if wants_half:
                self._restore_outputs(copy)
        return self._written

    def _read(self, name: str, *, half: bool) -> str:
        """Name under which a tensor is at hand in the wanted precision."""
        if name in self._view.constants:
            return self._half_constant(name) if half else name
        if half == (name in self._in_half):
            return name
        if name not in self._casts:
            self._casts[name] = f"{name}_{'fp16' if half else 'fp32'}"
            self._written.append(self._conversion(name, self._casts[name], half=half))
        return self._casts[name]

    def _conversion(self, name: str, target: str, *, half: bool) -> NodeProto:
        maker = self._view.maker.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            to = TensorProto.FLOAT16 if half else TensorProto.FLOAT
            return helper.make_node("Cast", [name], [target], name=f"cast_{name}", to=to)
        # A cast between it and a product would hide from an engine that the product is int8.
        again = NodeProto()
        again.CopyFrom(maker)
        again.name, again.output[0], again.input[1] = f"again_{name}", target, self._read(maker.input[1], half=half)
        return again

    def _half_constant(self, name: str) -> str:
        half_name = f"{name}_fp16"
        if half_name not in self.half_constants:
            values = np.asarray(self._view.constant(name), np.float32).astype(np.float16)
            self.half_constants[half_name] = numpy_helper.from_array(values, half_name)
        return half_name

    def _restore_outputs(self, node: NodeProto) -> None:
        """An output of the graph keeps its name and float32; inside, the fp16 tensor gets another name."""
        for index, name in enumerate(node.output):
            if name in self._view.outputs:
                inner = f"{name}_fp16"
                node.output[index] = inner
                self._written.append(
                    helper.make_node("Cast", [inner], [name], name=f"cast_{name}", to=TensorProto.FLOAT)
                )
                self._in_half.discard(name)
