"""Ways to give a backbone its theta, each as a whole ONNX graph that computes the same features.

- `constant`: scales and shifts multiplied into kernels and biases beforehand. No theta; what all are compared with.
- `baked`: the runtime's own: theta becomes a constant, and onnxruntime folds it when the session is made.
- `bundle`: theta is an input of the bundle's graph as it is.
- `one_split`: theta gets four axes and is cut up once; a multiply and an add after each convolution.
- `separate_inputs`: an input for each scale and shift, nothing to cut up; a multiply and an add likewise.
- `batch_norm`: theta is cut up once; one BatchNormalization (mean 0, variance 1) after each convolution.
- `kernels`: scale and shift are multiplied into kernels and biases inside the graph, at every call.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from affine_graph import AffineLayer, Span, affine_layers, theta_nodes, weight_of
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from hyperflow_runtime.backends.onnx_constant import with_constant_input

__all__ = ["Variant", "theta_variants"]

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Variant:
    """A graph, and what it takes beside the images."""

    model: bytes
    feeds: dict[str, Array] = field(default_factory=dict)


class _Surgery:
    """A copy of the bundle's backbone without its theta, to be given another one."""

    def __init__(self, backbone: bytes) -> None:
        self.model = onnx.load_from_string(backbone)
        self.layers = affine_layers(self.model)
        self._cutting = theta_nodes(self.model.graph)
        self._prologue: list[NodeProto] = []

    @property
    def spans(self) -> list[Span]:
        """All scales and shifts in the order of theta."""
        return sorted((span for layer in self.layers for span in (layer.scale, layer.shift)), key=lambda s: s.offset)

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add a constant."""
        self.model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def split(self, prefix: str, shape: tuple[int, ...] | None) -> dict[Span, str]:
        """Give theta a shape, with -1 for its length, and cut it up along that axis; names of the pieces."""
        source, axis = "theta", 0
        if shape is not None:
            axis, source = shape.index(-1), f"{prefix}theta"
            size = self.constant(f"{prefix}shape", np.array(shape, np.int64))
            self._prologue.append(helper.make_node("Reshape", ["theta", size], [source]))
        sizes = self.constant(f"{prefix}sizes", np.array([span.size for span in self.spans], np.int64))
        names = {span: f"{prefix}{span.offset}" for span in self.spans}
        self._prologue.append(helper.make_node("Split", [source, sizes], list(names.values()), axis=axis))
        return names

    def drop_theta(self) -> None:
        """Take theta off the inputs."""
        kept = [value for value in self.model.graph.input if value.name != "theta"]
        del self.model.graph.input[:]
        self.model.graph.input.extend(kept)

    def assembled(self, write: Callable[[AffineLayer], list[NodeProto]]) -> bytes:
        """Put what `write` gives in the place of every layer, and serialise."""
        graph = self.model.graph
        by_conv = {id(layer.conv): layer for layer in self.layers}
        dropped = {id(node) for node in self._cutting} | {id(node) for layer in self.layers for node in layer.affine}
        nodes = list(self._prologue)
        for node in graph.node:
            if id(node) in by_conv:
                nodes += write(by_conv[id(node)])
            elif id(node) not in dropped:
                nodes.append(copy.deepcopy(node))
        del graph.node[:]
        graph.node.extend(nodes)
        read = {name for node in graph.node for name in node.input}
        constants = [value for value in graph.initializer if value.name in read]
        del graph.initializer[:], graph.value_info[:]
        graph.initializer.extend(constants)
        onnx.checker.check_model(self.model)
        data: bytes = self.model.SerializeToString()
        return data


def _conv(layer: AffineLayer, weight: str, bias: str) -> NodeProto:
    node = copy.deepcopy(layer.conv)
    del node.input[:]
    node.input.extend([layer.conv.input[0], weight, bias])
    node.output[0] = layer.output
    return node


def _multiply_add(layer: AffineLayer, names: dict[Span, str]) -> list[NodeProto]:
    raw, scaled = layer.conv.output[0], f"{layer.output}_scaled"
    return [
        copy.deepcopy(layer.conv),
        helper.make_node("Mul", [raw, names[layer.scale]], [scaled]),
        helper.make_node("Add", [scaled, names[layer.shift]], [layer.output]),
    ]


def _constant(backbone: bytes, theta: Array) -> Variant:
    surgery = _Surgery(backbone)
    surgery.drop_theta()

    def write(layer: AffineLayer) -> list[NodeProto]:
        scale = theta[layer.scale.offset : layer.scale.offset + layer.scale.size]
        shift = theta[layer.shift.offset : layer.shift.offset + layer.shift.size]
        kernels = weight_of(surgery.model, layer) * scale[:, None, None, None]
        weight = surgery.constant(f"{layer.output}_weight", kernels)
        return [_conv(layer, weight, surgery.constant(f"{layer.output}_bias", shift))]

    return Variant(surgery.assembled(write))


def _one_split(backbone: bytes, theta: Array) -> Variant:
    surgery = _Surgery(backbone)
    names = surgery.split("cut_", (1, -1, 1, 1))
    return Variant(surgery.assembled(lambda layer: _multiply_add(layer, names)), {"theta": theta})


def _separate_inputs(backbone: bytes, theta: Array) -> Variant:
    surgery = _Surgery(backbone)
    surgery.drop_theta()
    names = {span: f"theta_{span.offset}" for span in surgery.spans}
    for span, name in names.items():
        shape = [1, span.size, 1, 1]
        surgery.model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    feeds = {
        name: theta[span.offset : span.offset + span.size].reshape(1, -1, 1, 1).copy() for span, name in names.items()
    }
    return Variant(surgery.assembled(lambda layer: _multiply_add(layer, names)), feeds)


def _batch_norm(backbone: bytes, theta: Array) -> Variant:
    surgery = _Surgery(backbone)
    names = surgery.split("cut_", None)

    def write(layer: AffineLayer) -> list[NodeProto]:
        mean = surgery.constant(f"{layer.output}_mean", np.zeros(layer.scale.size, np.float32))
        variance = surgery.constant(f"{layer.output}_variance", np.ones(layer.scale.size, np.float32))
        inputs = [layer.conv.output[0], names[layer.scale], names[layer.shift], mean, variance]
        norm = helper.make_node("BatchNormalization", inputs, [layer.output], epsilon=0.0)
        return [copy.deepcopy(layer.conv), norm]

    return Variant(surgery.assembled(write), {"theta": theta})


def _kernels(backbone: bytes, theta: Array) -> Variant:
    surgery = _Surgery(backbone)
    scales, shifts = surgery.split("scale_", (-1, 1, 1, 1)), surgery.split("shift_", None)

    def write(layer: AffineLayer) -> list[NodeProto]:
        weight = f"{layer.output}_weight"
        scaled = helper.make_node("Mul", [layer.conv.input[1], scales[layer.scale]], [weight])
        return [scaled, _conv(layer, weight, shifts[layer.shift])]

    return Variant(surgery.assembled(write), {"theta": theta})


def theta_variants(backbone: bytes, theta: Array) -> dict[str, Variant]:
    """Build every variant; see the module.

    Args:
        backbone: `backbone.onnx` of a bundle.
        theta: (P,).

    Raises:
        click.ClickException: The backbone is not made of convolutions followed by scale and shift.
    """
    return {
        "constant": _constant(backbone, theta),
        "baked": Variant(with_constant_input(backbone, "theta", theta)),
        "bundle": Variant(backbone, {"theta": theta}),
        "one_split": _one_split(backbone, theta),
        "separate_inputs": _separate_inputs(backbone, theta),
        "batch_norm": _batch_norm(backbone, theta),
        "kernels": _kernels(backbone, theta),
    }
