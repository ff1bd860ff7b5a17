"""Actors of networks: parser, network, layers and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import onnx
from google.protobuf.message import DecodeError

from stand_in.bindings import Actor
from stand_in.graph_layers import GraphLayer, GraphTensor, graph_layers
from stand_in.values import Dims

if TYPE_CHECKING:
    from stand_in.library import Library

__all__ = ["Network", "OnnxParser"]


class Network(Actor):
    """`INetworkDefinition`."""

    binds = "INetworkDefinition"

    def __init__(self, library: Library, flags: int) -> None:
        self._library = library
        self.flags, self.name = flags, "Unnamed Network 0"
        self.onnx: bytes | None = None
        self._layers: list[GraphLayer] = []

    def fill(self, model: onnx.ModelProto, data: bytes) -> None:
        """Take over a parsed graph."""
        self.onnx, self._layers = data, graph_layers(model)

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    def get_layer(self, index: int) -> Layer:
        return Layer(self._library, self._layers[index])

    def get_flag(self, flag: Any) -> bool:
        return bool(self.flags >> int(flag) & 1)


class Layer(Actor):
    """`ILayer`, and the members of its kinds for whoever says which it is by setting its class."""

    binds = "ILayer"

    def __init__(self, library: Library, layer: GraphLayer) -> None:
        self._library, self._layer = library, layer
        self.name, self.num_inputs, self.num_outputs = layer.name, len(layer.inputs), len(layer.outputs)
        kinds: Mapping[str, Any] = library.bindings.module.LayerType.__members__
        self.type = kinds.get(layer.kind, kinds["ELEMENTWISE"])
        if layer.weights is None:
            return
        if layer.kind == "CONSTANT":
            self.weights, self.shape = layer.weights.reshape(-1), Dims(layer.weights.shape)
        else:
            self.kernel, self.num_output_maps = layer.weights.reshape(-1), layer.weights.shape[0]
            self.kernel_size_nd = Dims(layer.weights.shape[2:])

    def get_input(self, index: int) -> Tensor:
        return Tensor(self._library, self._layer.inputs[index])

    def get_output(self, index: int) -> Tensor:
        return Tensor(self._library, self._layer.outputs[index])


class Tensor(Actor):
    """`ITensor`."""

    binds = "ITensor"

    def __init__(self, library: Library, tensor: GraphTensor) -> None:
        self.name, self.dtype = tensor.name, library.bindings.member("DataType", tensor.data_type)


class ParserError(Actor):
    """`ParserError`."""

    binds = "ParserError"

    def __init__(self, text: str) -> None:
        self._text = text

    def desc(self) -> str:
        return self._text

    def node(self) -> int:
        return -1

    def node_name(self) -> str:
        return ""

    def node_operator(self) -> str:
        return ""


class OnnxParser(Actor):
    """`OnnxParser`."""

    binds = "OnnxParser"

    def __init__(self, library: Library, network: Network, logger: Any) -> None:
        self._library, self._network, self._logger = library, network, logger
        self._errors: list[str] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return ParserError(self._errors[index])

    def clear_errors(self) -> None:
        self._errors.clear()

    def parse(self, model: Any, path: str | None = None) -> bool:
        data, reason = bytes(model), self._library.machine.faults.parse
        if not reason:
            try:
                parsed = onnx.load_model_from_string(data)
                onnx.checker.check_model(parsed)
            except (DecodeError, onnx.checker.ValidationError) as error:
                reason = f"Failed to parse the ONNX model: {error}"
        if reason:
            self._errors.append(reason)
            self._library.log(self._logger, "ERROR", reason)
            return False
        self._network.fill(parsed, data)
        return True
