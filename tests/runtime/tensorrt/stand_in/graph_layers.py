"""The layers that TensorRT's parser makes of a graph, as far as their kinds, types and weights go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from stand_in.plans import TensorDescription

__all__ = ["GraphLayer", "GraphTensor", "graph_layers", "graph_tensors"]

_TYPES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "FLOAT", onnx.TensorProto.FLOAT16: "HALF", onnx.TensorProto.INT8: "INT8",
    onnx.TensorProto.INT32: "INT32", onnx.TensorProto.INT64: "INT64", onnx.TensorProto.BOOL: "BOOL",
    onnx.TensorProto.UINT8: "UINT8",
}  # fmt: skip
_KINDS = {
    "Cast": "CAST", "Concat": "CONCATENATION", "Constant": "CONSTANT", "Conv": "CONVOLUTION",
    "ConvTranspose": "DECONVOLUTION", "DequantizeLinear": "DEQUANTIZE", "Flatten": "SHUFFLE", "Gather": "GATHER",
    "Gemm": "MATRIX_MULTIPLY", "Identity": "IDENTITY", "LayerNormalization": "NORMALIZATION",
    "MatMul": "MATRIX_MULTIPLY", "QuantizeLinear": "QUANTIZE", "ReduceMean": "REDUCE", "ReduceSum": "REDUCE",
    "Relu": "ACTIVATION", "Reshape": "SHUFFLE", "Shape": "SHAPE", "Slice": "SLICE", "Softmax": "SOFTMAX",
    "Sqrt": "UNARY", "Squeeze": "SHUFFLE", "Transpose": "SHUFFLE", "Unsqueeze": "SHUFFLE",
}  # fmt: skip
_CONVOLUTIONS = {"CONVOLUTION", "DECONVOLUTION"}


@dataclass(frozen=True)
class GraphTensor:
    """What passes between layers: its name, and TensorRT's name of its type."""

    name: str
    data_type: str


@dataclass
class GraphLayer:
    """One layer.

    Attributes:
        name: Of the node.
        kind: Name in `LayerType`.
        inputs: What it reads, without a convolution's constant kernel and bias.
        outputs: What it gives.
        weights: Of a constant, or the kernel of a convolution.
    """

    name: str
    kind: str
    inputs: list[GraphTensor] = field(default_factory=list)
    outputs: list[GraphTensor] = field(default_factory=list)
    weights: NDArray[Any] | None = None


def graph_tensors(model: onnx.ModelProto) -> tuple[TensorDescription, ...]:
    """Inputs, then outputs, of a graph."""
    constants = {initializer.name for initializer in model.graph.initializer}
    inputs = [_tensor(info, is_input=True) for info in model.graph.input if info.name not in constants]
    return (*inputs, *(_tensor(info, is_input=False) for info in model.graph.output))


def _tensor(info: onnx.ValueInfoProto, *, is_input: bool) -> TensorDescription:
    dims = tuple(dim.dim_param or int(dim.dim_value) for dim in info.type.tensor_type.shape.dim)
    return TensorDescription(info.name, _TYPES[info.type.tensor_type.elem_type], dims, is_input)


def graph_layers(model: onnx.ModelProto) -> list[GraphLayer]:
    """Layers of a graph, in its order, each constant before the first layer that reads it."""
    maker = _Maker(onnx.shape_inference.infer_shapes(model))
    for node in model.graph.node:
        maker.add(node)
    return maker.layers


class _Maker:
    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self.layers: list[GraphLayer] = []
        self._arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self._types = {name: _numpy_type(array) for name, array in self._arrays.items()}
        for info in (*graph.input, *graph.output, *graph.value_info):
            self._types[info.name] = _TYPES.get(info.type.tensor_type.elem_type, "FLOAT")
        self._placed: set[str] = set()

    def add(self, node: onnx.NodeProto) -> None:
        """Add a node's layer."""
        kind = _KINDS.get(node.op_type, "ELEMENTWISE")
        layer = GraphLayer(node.name or node.output[0], kind)
        names = [name for name in node.input if name]
        if kind == "CONSTANT":
            layer.weights = _value(node)
            self._types[node.output[0]] = _numpy_type(layer.weights)
        elif kind in _CONVOLUTIONS and names[1] in self._arrays:
            layer.weights, names = self._arrays[names[1]], names[:1]
        for name in names:
            self._place_constant(name)
        layer.inputs = [self._tensor(name) for name in names]
        layer.outputs = [self._tensor(name) for name in node.output if name]
        self.layers.append(layer)

    def _place_constant(self, name: str) -> None:
        if name in self._arrays and name not in self._placed:
            self._placed.add(name)
            self.layers.append(GraphLayer(name, "CONSTANT", outputs=[self._tensor(name)], weights=self._arrays[name]))

    def _tensor(self, name: str) -> GraphTensor:
        return GraphTensor(name, self._types.get(name, "FLOAT"))


def _value(node: onnx.NodeProto) -> NDArray[Any]:
    (attribute,) = node.attribute
    value = onnx.helper.get_attribute_value(attribute)
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def _numpy_type(array: NDArray[Any]) -> str:
    return _TYPES.get(onnx.helper.np_dtype_to_tensor_dtype(array.dtype), "FLOAT")
