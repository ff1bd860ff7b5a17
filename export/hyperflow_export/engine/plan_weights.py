"""Whose weights lie in a plan, and in which type: what can be learnt of a plan without a GPU.

A plan of TensorRT for RTX holds its weights as they came, in rows or with the channels last, and the kernels as source
to be compiled on the GPU. So the weights tell what was built; how it is computed, only the GPU's own inspector tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hyperflow_export.engine.products import Product
from hyperflow_export.errors import PrecisionError

__all__ = ["check_plan_weights", "weights_in_plan"]

_RUN = 16
"""Neighbouring weights that are looked for: too many bytes to be met by chance."""

_LEAST_SHARE = 0.5
"""Share of the weights that must be found. Arrays that are too short or too even to be told apart never are."""

_NEXT_MOVE = "build with another version of TensorRT for RTX, or on the device: hyperflow-export engine BUNDLE"

_WIDER: dict[str, tuple[type[np.generic], ...]] = {"float16": (np.float32,), "int8": (np.float16, np.float32)}


def weights_in_plan(products: Sequence[Product], plan: bytes) -> dict[str, int]:
    """Count the products whose weights are found in a plan, by the type they are found in (numpy's name)."""
    found = (_type_in_plan(product, plan) for product in products)
    return dict(Counter(name for name in found if name is not None))


def check_plan_weights(products: Sequence[Product], plan: bytes, title: str) -> None:
    """Refuse a plan that does not hold the graph's weights in the graph's own types.

    Raises:
        PrecisionError: Weights lie there in a wider type, or most are not found.
    """
    # The steps of the drift share their weights: each array counts once.
    arrays = {id(product.weights): product for product in products if product.weights is not None}
    n_found = 0
    for product in arrays.values():
        found = _type_in_plan(product, plan)
        if found == str(product.weights.dtype):  # type: ignore[union-attr]
            n_found += product.n_weights
        elif found is not None:
            raise PrecisionError(
                f"the plan of {title} holds the weights of {product.name} as {found}, the graph as "
                f"{product.weights.dtype}; {_NEXT_MOVE}"  # type: ignore[union-attr]
            )
    total = sum(product.n_weights for product in arrays.values())
    if n_found < _LEAST_SHARE * total:
        raise PrecisionError(
            f"the plan of {title} ({len(plan)} bytes) shows only {n_found / total:.0%} of the graph's weights, so its "
            f"precision is unproven; {_NEXT_MOVE}"
        )


def _type_in_plan(product: Product, plan: bytes) -> str | None:
    weights = product.weights
    if weights is None:
        return None
    own = weights.dtype
    for kind in (own, *map(np.dtype, _WIDER.get(own.name, ()))):
        if any(run.astype(kind).tobytes() in plan for run in _runs(product)):
            return str(kind)
    return None


def _runs(product: Product) -> Iterator[NDArray[np.generic]]:
    """A few neighbouring weights, in each order that a plan may hold them."""
    assert product.weights is not None
    orders = [product.weights, product.weights.T]
    if product.kernel_shape is not None:
        kernel = product.weights.reshape(product.kernel_shape)
        orders = [kernel, np.moveaxis(kernel, 1, -1)]
    for order in orders:
        run = order.reshape(-1)[:_RUN]
        if run.size == _RUN and len(np.unique(run)) > 1:
            yield run
