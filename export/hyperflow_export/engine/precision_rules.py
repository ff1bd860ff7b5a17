"""The rule that a bundle's precision puts on a network and on the engine built from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hyperflow_export.engine.products import Product, products_by_precision
from hyperflow_export.errors import PrecisionError
from hyperflow_runtime.bundle.manifest import Precision
from hyperflow_runtime.engines.key import GraphName

__all__ = ["check_layers", "check_products", "described", "graph_precision"]

_ALLOWED = {"fp32": ("fp32",), "fp16": ("fp16", "fp32"), "int8": ("int8", "fp16", "fp32")}
_LEAST_SHARE = 0.5
"""Share of the trained weights that must be multiplied in the graph's precision.
The rest are layers that were left in a wider one at export, because a narrower one loses too much there."""


def graph_precision(graph: GraphName, bundle_precision: Precision) -> Precision:
    """Precision of one of a bundle's graphs: the drift of an int8 bundle is in fp16."""
    return "fp16" if graph == "adapt" and bundle_precision == "int8" else bundle_precision


def described(counts: Mapping[str, int]) -> str:
    """Say counts in words, such as `12 fp16, 3 fp32`."""
    return ", ".join(f"{n} {precision}" for precision, n in counts.items()) or "none"


def check_products(products: Sequence[Product], precision: str, title: str) -> None:
    """Hold a parsed network to its precision.

    Args:
        products: From `find_products`.
        precision: Of the graph, from `graph_precision`.
        title: What it is, for messages.

    Raises:
        PrecisionError: A product has a type that the precision does not allow, or most weights are multiplied in a
            wider one.
    """
    counts = products_by_precision(products)
    strange = sorted(set(counts) - set(_ALLOWED[precision]))
    if strange:
        raise PrecisionError(
            f"{title} multiplies in {described(counts)}, but should be {precision}, which allows "
            f"{', '.join(_ALLOWED[precision])}; export the bundle again"
        )
    total = sum(product.n_weights for product in products)
    met = sum(product.n_weights for product in products if product.precision == precision)
    if met < _LEAST_SHARE * total:
        raise PrecisionError(
            f"{title} multiplies only {met / total:.0%} of its weights in {precision}, which it should be in "
            f"({described(counts)}); export the bundle again"
        )


def check_layers(counts: Mapping[str, int], precision: str, title: str) -> None:
    """Hold a built engine to its precision.

    Args:
        counts: Layers of each precision, from `layer_precisions`.
        precision: Of the graph, from `graph_precision`.
        title: What it is, for messages.

    Raises:
        PrecisionError: A layer has a type that the precision does not allow, none has the one it asks for, or the
            engine does not tell.
    """
    next_move = "run the bundle with --backend onnxruntime, or build with another version of TensorRT"
    strange = sorted(set(counts) - set(_ALLOWED[precision]))
    if strange:
        raise PrecisionError(
            f"the engine of {title} computes in {described(counts)}, but should be {precision}; {next_move}"
        )
    if precision == "fp32":
        return  # a strongly typed network leaves TensorRT no other choice, where an engine does not tell
    if not counts:
        raise PrecisionError(
            f"the engine of {title} does not tell its layers' precision, so {precision} is unproven; {next_move}"
        )
    if not counts.get(precision):
        raise PrecisionError(
            f"no layer of the engine of {title} computes in {precision} ({described(counts)}); {next_move}"
        )
