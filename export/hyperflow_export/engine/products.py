"""The products of a parsed network: convolutions and matrix multiplications, and the precision of each.

They are where the time goes and what a precision is asked for. In a strongly typed network TensorRT must compute each
in the type of its inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hyperflow_export.engine.network import ParsedGraph

__all__ = ["Product", "find_products", "products_by_precision", "short_precision"]

_PRODUCTS = {"CONVOLUTION": "IConvolutionLayer", "DECONVOLUTION": "IDeconvolutionLayer", "MATRIX_MULTIPLY": ""}
_PASSING = frozenset({"SHUFFLE", "IDENTITY", "CAST", "SQUEEZE", "UNSQUEEZE", "QUANTIZE", "DEQUANTIZE"})
"""Layers between a constant and the product that reads it."""

_SHORT = {"FLOAT": "fp32", "HALF": "fp16"}


@dataclass(frozen=True)
class Product:
    """One product.

    Attributes:
        name: Of the layer.
        precision: `fp32`, `fp16`, `int8` (both factors come from a DequantizeLinear), or TensorRT's own word.
        weights: Its trained weights as the network holds them, one array where products share them; None when both
            factors are computed.
        kernel_shape: Of a convolution's weights, (K, C/groups, R, S); None for a matrix.
    """

    name: str
    precision: str
    weights: NDArray[np.generic] | None
    kernel_shape: tuple[int, ...] | None = None

    @property
    def n_weights(self) -> int:
        """Number of trained weights."""
        return 0 if self.weights is None else self.weights.size


def short_precision(data_type: Any) -> str:
    """Name of a TensorRT type as the manifest writes it: `fp32`, `fp16`, `int8`, `bf16`."""
    return _SHORT.get(data_type.name, str(data_type.name).lower())


def find_products(parsed: ParsedGraph) -> list[Product]:
    """List the products of a network."""
    layers = [parsed.network.get_layer(index) for index in range(parsed.network.num_layers)]
    maker = {layer.get_output(index).name: layer for layer in layers for index in range(layer.num_outputs)}
    finder = _Finder(parsed.library.module, maker)
    return [finder.product(layer) for layer in layers if layer.type.name in _PRODUCTS]


def products_by_precision(products: Iterable[Product]) -> dict[str, int]:
    """Count the products of each precision, the most frequent first."""
    return dict(Counter(product.precision for product in products).most_common())


class _Finder:
    def __init__(self, module: Any, maker: dict[str, Any]) -> None:
        self._module, self._maker = module, maker
        self._copies: dict[int, NDArray[np.generic]] = {}

    def product(self, layer: Any) -> Product:
        factors = [layer.get_input(index) for index in range(min(layer.num_inputs, 2))]
        quantised = len(factors) == 2 and all(self._is_dequantised(tensor) for tensor in factors)
        precision = "int8" if quantised else short_precision(factors[0].dtype)
        if layer.type.name == "MATRIX_MULTIPLY":
            weights = next((w for w in map(self._constant, factors) if w is not None), None)
            return Product(layer.name, precision, weights)
        if len(factors) == 2:
            weights = self._constant(factors[1])
            return Product(layer.name, precision, weights, None if weights is None else weights.shape)
        convolution = _seen_as(layer, getattr(self._module, _PRODUCTS[layer.type.name]))
        kernel = self._copy(convolution.kernel)
        return Product(layer.name, precision, kernel, _kernel_shape(convolution, kernel.size))

    def _is_dequantised(self, tensor: Any) -> bool:
        layer = self._maker.get(tensor.name)
        while layer is not None and layer.type.name in _PASSING:
            if layer.type.name == "DEQUANTIZE":
                return True
            layer = self._maker.get(layer.get_input(0).name)
        return False

    def _constant(self, tensor: Any) -> NDArray[np.generic] | None:
        layer = self._maker.get(tensor.name)
        while layer is not None and layer.type.name in _PASSING:
            layer = self._maker.get(layer.get_input(0).name)
        if layer is None or layer.type.name != "CONSTANT":
            return None
        constant = _seen_as(layer, self._module.IConstantLayer)
        return self._copy(constant.weights, tuple(constant.shape))

    def _copy(self, weights: Any, shape: tuple[int, ...] = (-1,)) -> NDArray[np.generic]:
        """Copy weights, which end with the parser; those that several products read, once."""
        view = np.asarray(weights)
        return self._copies.setdefault(view.__array_interface__["data"][0], view.reshape(shape).copy())


def _seen_as(layer: Any, kind: Any) -> Any:
    """The network gives layers as their common base; Python's way to the members of the kind is to say which it is."""
    if not isinstance(layer, kind):
        layer.__class__ = kind
    return layer


def _kernel_shape(convolution: Any, size: int) -> tuple[int, ...]:
    maps, window = int(convolution.num_output_maps), tuple(convolution.kernel_size_nd)
    return (maps, size // (maps * int(np.prod(window))), *window)
