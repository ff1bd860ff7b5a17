"""A typed view of a traced graph: which tensors are float, which are constants, who makes and who reads each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper, shape_inference

__all__ = ["GraphView", "attribute", "load_graph"]


def load_graph(data: bytes) -> onnx.ModelProto:
    """Read a graph; Constant nodes become initialisers, nodes get names, and shapes and types are inferred anew."""
    model = onnx.load_from_string(data)
    graph = model.graph
    for node in [node for node in graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]:
        tensor = node.attribute[0].t
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)
    taken: set[str] = set()
    for index, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}"
        taken.add(node.name)
    del graph.value_info[:]
    return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


class GraphView:
    """Answers questions about a model of `load_graph`, which must not change meanwhile."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Index the graph."""
        graph = model.graph
        self.model = model
        self.nodes: list[NodeProto] = list(graph.node)
        self.constants: dict[str, TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self.inputs = [value.name for value in graph.input if value.name not in self.constants]
        self.outputs = [value.name for value in graph.output]
        self.maker = {name: node for node in graph.node for name in node.output}
        self.readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in graph.node:
            for name in set(node.input):
                self.readers[name].append(node)
        infos = [*graph.value_info, *graph.input, *graph.output]
        self._types = {value.name: value.type.tensor_type.elem_type for value in infos}
        # A size that is not fixed has no dim_value, which reads as 0.
        self._shapes = {value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim) for value in infos}
        self._types |= {name: tensor.data_type for name, tensor in self.constants.items()}
        self._shapes |= {name: tuple(tensor.dims) for name, tensor in self.constants.items()}

    def element_type(self, name: str) -> int:
        """ONNX element type of a tensor; 0 where it is not known."""
        return int(self._types.get(name, 0))

    def is_float(self, name: str) -> bool:
        """Whether a tensor is float32."""
        return self.element_type(name) == TensorProto.FLOAT

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor, 0 for every size that is not fixed."""
        return self._shapes.get(name, ())

    def constant(self, name: str) -> NDArray[np.generic]:
        """Value of a constant."""
        return numpy_helper.to_array(self.constants[name])

    def float_inputs(self, node: NodeProto) -> list[str]:
        """Names of a node's float32 inputs, constants among them."""
        return [name for name in node.input if name and self.is_float(name)]

    def downstream_of(self, sources: Iterable[str]) -> set[str]:
        """Every tensor that depends on one of the sources, and the sources themselves."""
        reached = set(sources)
        for node in self.nodes:
            if reached & set(node.input):
                reached |= set(node.output)
        return reached


def attribute(node: NodeProto, name: str, default: int) -> int:
    """An integer attribute of a node."""
    return next((int(helper.get_attribute_value(a)) for a in node.attribute if a.name == name), default)
