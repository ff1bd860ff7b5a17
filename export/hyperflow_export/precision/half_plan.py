"""Which nodes of a traced graph compute in fp16.

Products with trained weights do, and what lies between them follows, so that fp16 flows from one product to the next
without casts. Norms, softmax, sums and means, distances, logarithms and divisions stay in fp32, and so does whatever
they alone feed: the Euler state, the cosines, the features. A node that nothing here names stays in fp32 as well; one
of them is QuantizeLinear, which onnxruntime 1.23 computes wrong in fp16 (it cuts off where it should round).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from hyperflow_export.precision.graph_view import GraphView

__all__ = ["HALF_MAX", "HalfPlan", "plan_half"]

HALF_MAX = 65504.0
"""Largest number of fp16."""

_MAX_ROUNDING = 2e-3
"""Largest error of rounding a tensor of weights to fp16, as a share of its norm: four times that of normal numbers.
Weights so small that fp16 has few bits left for them (below 6.1e-5) exceed it."""

_PRODUCTS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})

_FOLLOWERS = frozenset({
    "Abs", "Add", "BatchNormalization", "Clip", "Concat", "DepthToSpace", "DequantizeLinear", "Elu", "Erf", "Expand",
    "Flatten", "Gather", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Max", "MaxPool", "Min", "Mul",
    "Neg", "PRelu", "Pad", "Relu", "Reshape", "Sigmoid", "Slice", "SpaceToDepth", "Split", "Squeeze",
    "Sub", "Tanh", "Tile", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip


@dataclass(frozen=True)
class HalfPlan:
    """What is to be in fp16.

    Attributes:
        half: Names of the nodes that compute in fp16.
        kept: Nodes that would have, by the reason why they do not.
    """

    half: frozenset[str]
    kept: dict[str, str]


def plan_half(view: GraphView, *, parameter: str | None = None, too_large: Collection[str] = ()) -> HalfPlan:
    """Decide for every node.

    Args:
        view: Of a float32 graph, or of one with quantise and dequantise nodes in it.
        parameter: Input that holds adapted weights: its parts take the precision of the nodes that read them.
        too_large: Tensors that have been seen to come near the range of fp16.
    """
    planner = _Planner(view, parameter, too_large)
    for node in view.nodes:
        planner.decide(node)
    planner.settle_parameters()
    return HalfPlan(frozenset(planner.half), planner.kept)


class _Planner:
    def __init__(self, view: GraphView, parameter: str | None, too_large: Collection[str]) -> None:
        self._view, self._too_large = view, frozenset(too_large)
        data = view.downstream_of(name for name in view.inputs if name != parameter)
        made = {name for node in view.nodes for name in node.output}
        self._is_parameter = (made | {parameter or ""}) - data
        self._half_tensors: set[str] = set()
        self.half: set[str] = set()
        self.kept: dict[str, str] = {}

    def _data(self, node: NodeProto) -> list[str]:
        """Float inputs that are neither constants, nor parts of theta, nor made of these alone."""
        names = self._view.float_inputs(node)
        return [name for name in names if name not in self._view.constants and name not in self._is_parameter]

    def decide(self, node: NodeProto) -> None:
        is_parameter = set(node.output) <= self._is_parameter and node.op_type not in _PRODUCTS
        if is_parameter or not self._wants_half(node):
            return
        reason = self._obstacle(node)
        if reason:
            self.kept[node.name] = reason
        else:
            self.half.add(node.name)
            self._half_tensors |= set(node.output)

    def _wants_half(self, node: NodeProto) -> bool:
        data = self._data(node)
        in_half = [name in self._half_tensors for name in data]
        if node.op_type in _PRODUCTS:
            factors = node.input[:2]
            by_theta = bool(data) and any(name in self._is_parameter for name in factors)
            return any(in_half) or by_theta or any(self._is_weight(name) for name in factors)
        if node.op_type == "DequantizeLinear":
            return True
        follows = node.op_type in _FOLLOWERS or _divides_by_constant(self._view, node)
        return follows and bool(data) and all(in_half)

    def _is_weight(self, name: str) -> bool:
        """Whether a factor of a product was trained: a constant, or one that was only reshaped; not parts of theta."""
        maker = self._view.maker.get(name)
        while maker is not None and maker.op_type in ("Transpose", "Reshape", "Identity", "DequantizeLinear"):
            name = maker.input[0]
            maker = self._view.maker.get(name)
        return name in self._view.constants

    def _obstacle(self, node: NodeProto) -> str:
        for name in node.output:
            if name in self._too_large:
                return "its values come near the largest number of fp16"
        for name in self._view.float_inputs(node):
            if name in self._too_large:
                return "it reads values near the largest number of fp16"
            weights = self._behind_dequantising(name)
            if weights in self._view.constants and not fits_half(np.asarray(self._view.constant(weights), np.float32)):
                return f"fp16 cannot hold its weights {weights}"
        return ""

    def _behind_dequantising(self, name: str) -> str:
        """For int8 weights, their scales: what those do not fit, the weights do not either."""
        maker = self._view.maker.get(name)
        if maker is None or maker.op_type != "DequantizeLinear" or maker.input[0] not in self._view.constants:
            return name
        return str(maker.input[1])

    def settle_parameters(self) -> None:
        """Cutting up theta is done in the precision of those who read the pieces, from the last reader to the first."""
        for node in reversed(self._view.nodes):
            outputs = set(node.output)
            if not outputs <= self._is_parameter or not any(map(self._view.is_float, outputs)):
                continue
            readers = [reader for name in outputs for reader in self._view.readers[name]]
            if (node.op_type in _FOLLOWERS and readers and all(reader.name in self.half for reader in readers)
                    and not self._obstacle(node)):  # fmt: skip
                self.half.add(node.name)


def _divides_by_constant(view: GraphView, node: NodeProto) -> bool:
    return node.op_type == "Div" and node.input[1] in view.constants


def fits_half(values: NDArray[np.float32]) -> bool:
    """Whether rounding weights to fp16 loses no more than is usual, and overflows nowhere."""
    finite = values[np.isfinite(values)]  # Clip and masks use infinities, which fp16 has too
    if not finite.size or not finite.any():
        return True
    if np.abs(finite).max() > HALF_MAX:
        return False
    error = np.linalg.norm(finite.astype(np.float64) - finite.astype(np.float16).astype(np.float64))
    return bool(error <= _MAX_ROUNDING * np.linalg.norm(finite.astype(np.float64)))
