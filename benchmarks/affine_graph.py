"""Finding the layers that theta adapts in a bundle's `backbone.onnx`: a convolution, its scale and its shift."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

__all__ = ["AffineLayer", "Span", "affine_layers", "theta_nodes", "weight_of"]


@dataclass(frozen=True)
class Span:
    """A run of coordinates of theta."""

    offset: int
    size: int


@dataclass(frozen=True)
class AffineLayer:
    """One convolution without bias and the affine map a channel that follows it.

    Attributes:
        conv: The convolution.
        affine: The nodes that apply scale and shift.
        scale: Where the scales lie in theta.
        shift: Where the shifts lie in theta.
        output: Name of the tensor after the affine map.
    """

    conv: NodeProto
    affine: tuple[NodeProto, ...]
    scale: Span
    shift: Span
    output: str


def theta_nodes(graph: GraphProto) -> list[NodeProto]:
    """Nodes that depend on theta and not on the images: what cuts theta up."""
    from_images, from_theta, found = {"images"}, {"theta"}, []
    for node in graph.node:
        if from_images & set(node.input):
            from_images |= set(node.output)
        elif from_theta & set(node.input):
            from_theta |= set(node.output)
            found.append(node)
    return found


def _theta_spans(model: ModelProto) -> dict[str, Span]:
    """Which run of theta each tensor cut from it holds, found out by running that part of the graph on 0, 1, 2..."""
    cutting = theta_nodes(model.graph)
    names = [name for node in cutting for name in node.output]
    constants = [node for node in model.graph.node if not node.input]
    theta = next(value for value in model.graph.input if value.name == "theta")
    outputs = [onnx.ValueInfoProto(name=name) for name in names]
    graph = helper.make_graph([*constants, *cutting], "theta", [theta], outputs, list(model.graph.initializer))
    part = helper.make_model(graph, opset_imports=list(model.opset_import), ir_version=model.ir_version)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])
    n_parameters = theta.type.tensor_type.shape.dim[0].dim_value
    values = session.run(names, {"theta": np.arange(n_parameters, dtype=np.float32)})
    return {name: Span(int(value.flat[0]), value.size) for name, value in zip(names, values, strict=True)}


def _other_input(node: NodeProto, name: str) -> str:
    return next((other for other in node.input if other != name), "")


def _layer(graph: GraphProto, conv: NodeProto, spans: dict[str, Span]) -> AffineLayer | None:
    def only_reader(name: str) -> NodeProto | None:
        readers = [node for node in graph.node if name in node.input]
        return readers[0] if len(readers) == 1 else None

    first = only_reader(conv.output[0])
    if first is None or len(conv.input) != 2:
        return None
    if first.op_type == "BatchNormalization" and first.input[1] in spans and first.input[2] in spans:
        return AffineLayer(conv, (first,), spans[first.input[1]], spans[first.input[2]], first.output[0])
    second = only_reader(first.output[0])
    if first.op_type != "Mul" or second is None or second.op_type != "Add":
        return None
    scale, shift = _other_input(first, conv.output[0]), _other_input(second, first.output[0])
    if scale not in spans or shift not in spans:
        return None
    return AffineLayer(conv, (first, second), spans[scale], spans[shift], second.output[0])


def affine_layers(model: ModelProto) -> list[AffineLayer]:
    """Layers of a backbone, every one of which must be followed by scale and shift from theta.

    Raises:
        click.ClickException: The graph has another form, as with a subset other than `affine`.
    """

    def found() -> Iterator[AffineLayer]:
        spans = _theta_spans(model)
        for conv in model.graph.node:
            if conv.op_type == "Conv":
                layer = _layer(model.graph, conv, spans)
                if layer is None:
                    raise click.ClickException(
                        f"convolution {conv.name or conv.output[0]!r} is not followed by a scale and a shift from "
                        "theta; this benchmark compares bundles of the subset 'affine'"
                    )
                yield layer

    return list(found())


def weight_of(model: ModelProto, layer: AffineLayer) -> NDArray[np.float32]:
    """Kernels of a layer's convolution, (C_out, C_in, H, W)."""
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == layer.conv.input[1])
    return np.asarray(numpy_helper.to_array(tensor), np.float32)
