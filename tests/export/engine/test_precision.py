"""The precision obtained is the one that the bundle says, or there is no engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hyperflow_export.engine.building import build_plan
from hyperflow_export.engine.ensuring import ensure_engine
from hyperflow_export.engine.keys import engine_key
from hyperflow_export.engine.network import parse_graph
from hyperflow_export.engine.plan_weights import check_plan_weights, weights_in_plan
from hyperflow_export.engine.precision_rules import check_layers, check_products, graph_precision
from hyperflow_export.engine.products import Product, find_products
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target
from hyperflow_export.errors import PrecisionError
from hyperflow_runtime.bundle.manifest import Precision
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import graph_bytes
from hyperflow_runtime.engines.key import GraphName

Claims = Callable[[Bundle, Precision], Bundle]


def _built(bundle: Bundle, target: Target, graph: GraphName) -> tuple[bytes, list[Product], dict[str, int]]:
    onnx = graph_bytes(bundle, graph)
    built = build_plan(engine_key(bundle, graph, target, BuildSettings()), onnx, target)
    return built.plan, find_products(parse_graph(target.library, onnx, graph)), built.precisions


@pytest.mark.tensorrt
def test_every_precision_is_built_and_reported(
    bundle: Bundle, half_bundle: Bundle, int8_bundle: Bundle, target: Target
) -> None:
    for made, graph, narrowest in (
        (bundle, "backbone", "fp32"), (half_bundle, "backbone", "fp16"), (int8_bundle, "backbone", "int8"),
        (bundle, "adapt", "fp32"), (half_bundle, "adapt", "fp16"),
    ):  # fmt: skip
        _, _, precisions = _built(made, target, graph)  # type: ignore[arg-type]
        assert next(iter(precisions)) == narrowest


@pytest.mark.tensorrt
@pytest.mark.parametrize(("truth", "claimed"), [
    ("fp32", "fp16"), ("fp32", "int8"), ("fp16", "fp32"), ("fp16", "int8"), ("int8", "fp32"), ("int8", "fp16"),
])  # fmt: skip
def test_a_backbone_of_another_precision_than_the_manifest_says_gives_no_engine(
    bundle: Bundle, half_bundle: Bundle, int8_bundle: Bundle, claims: Claims, target: Target, cache: EngineCache,
    truth: str, claimed: Precision,
) -> None:  # fmt: skip
    made = {"fp32": bundle, "fp16": half_bundle, "int8": int8_bundle}[truth]

    with pytest.raises(PrecisionError, match=r"backbone\.onnx multiplies .*export the bundle again"):
        ensure_engine(claims(made, claimed), "backbone", target, BuildSettings(), cache)

    assert cache.records() == []


@pytest.mark.tensorrt
@pytest.mark.parametrize("graph", ["backbone", "adapt"])
def test_a_plan_shows_the_weights_in_the_precision_of_the_graph(
    bundle: Bundle, half_bundle: Bundle, int8_bundle: Bundle, target: Target, graph: GraphName
) -> None:
    for made, name in ((bundle, "float32"), (half_bundle, "float16"), (int8_bundle, "int8")):
        plan, products, _ = _built(made, target, graph)
        expected = "float16" if (made, graph) == (int8_bundle, "adapt") else name
        assert weights_in_plan(products, plan)[expected] > 0.6 * sum(p.weights is not None for p in products)


@pytest.mark.tensorrt
def test_a_plan_with_the_weights_of_a_wider_precision_is_refused(
    bundle: Bundle, half_bundle: Bundle, target: Target
) -> None:
    _, products, _ = _built(half_bundle, target, "backbone")
    widened = [replace(p, weights=p.weights) for p in products]
    plan = b"".join(p.weights.astype(np.float32).tobytes() for p in widened if p.weights is not None)

    with pytest.raises(PrecisionError, match=r"holds the weights of .* as float32, the graph as float16"):
        check_plan_weights(products, plan, "backbone.onnx")


@pytest.mark.tensorrt
def test_a_plan_without_the_weights_proves_nothing(bundle: Bundle, target: Target) -> None:
    plan, products, _ = _built(bundle, target, "backbone")

    check_plan_weights(products, plan, "backbone.onnx")
    with pytest.raises(PrecisionError, match=r"\(1000 bytes\) shows only 0% of the graph's weights"):
        check_plan_weights(products, plan[:1000], "backbone.onnx")


@pytest.mark.tensorrt
def test_products_that_share_weights_hold_one_array(bundle: Bundle, target: Target) -> None:
    products = find_products(parse_graph(target.library, bundle.adapt_onnx, "adapt"))

    arrays = {id(product.weights) for product in products if product.weights is not None}

    assert len(arrays) < sum(product.weights is not None for product in products)


def _product(precision: str, n_weights: int) -> Product:
    return Product("p", precision, np.ones(n_weights, np.float32) if n_weights else None)


def test_a_graph_may_keep_a_few_weights_in_a_wider_type() -> None:
    check_products([_product("fp16", 90), _product("fp32", 10), _product("fp32", 0)], "fp16", "g")
    check_products([_product("int8", 90), _product("fp16", 10)], "int8", "g")


@pytest.mark.parametrize(("products", "precision", "sentence"), [
    ([("fp16", 49), ("fp32", 51)], "fp16", r"only 49% of its weights in fp16, .*\(1 fp16, 1 fp32\)"),
    ([("fp32", 10), ("bf16", 1)], "fp32", r"multiplies in 1 fp32, 1 bf16, but should be fp32, which allows fp32"),
    ([("int8", 10)], "fp16", "which allows fp16, fp32"),
])  # fmt: skip
def test_a_graph_that_breaks_its_rule_is_told_how(
    products: list[tuple[str, int]], precision: Precision, sentence: str
) -> None:
    with pytest.raises(PrecisionError, match=sentence):
        check_products([_product(*product) for product in products], precision, "g")


def test_the_drift_of_an_int8_bundle_is_in_fp16() -> None:
    assert [graph_precision("adapt", p) for p in ("fp32", "fp16", "int8")] == ["fp32", "fp16", "fp16"]
    assert [graph_precision("backbone", p) for p in ("fp32", "fp16", "int8")] == ["fp32", "fp16", "int8"]


@pytest.mark.parametrize(("counts", "precision"), [
    ({"fp32": 9}, "fp32"), ({}, "fp32"), ({"fp32": 3, "fp16": 9}, "fp16"), ({"int8": 5, "fp16": 1, "fp32": 2}, "int8"),
])  # fmt: skip
def test_an_engine_of_its_precision_passes(counts: dict[str, int], precision: Precision) -> None:
    check_layers(counts, precision, "g")


@pytest.mark.parametrize(("counts", "precision", "sentence"), [
    ({"fp32": 9, "fp16": 1}, "fp32", "computes in 9 fp32, 1 fp16, but should be fp32"),
    ({"fp32": 9}, "fp16", r"no layer of the engine of g computes in fp16 \(9 fp32\)"),
    ({"fp16": 9}, "int8", "no layer of the engine of g computes in int8"),
    ({"fp16": 9, "int8": 1}, "fp16", "but should be fp16"),
    ({}, "fp16", "does not tell its layers' precision, so fp16 is unproven"),
])  # fmt: skip
def test_an_engine_of_another_precision_is_refused(counts: dict[str, int], precision: Precision, sentence: str) -> None:
    with pytest.raises(PrecisionError, match=sentence):
        check_layers(counts, precision, "g")
