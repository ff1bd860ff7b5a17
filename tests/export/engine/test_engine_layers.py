"""What TensorRT's inspector says of layers, in the words that its versions use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hyperflow_export.engine.engine_layers import layer_precisions


def _layer(kind: str, inputs: list[str], outputs: list[str], weights: str | None = None) -> dict[str, Any]:
    layer: dict[str, Any] = {
        "Name": "conv", "LayerType": kind,
        "Inputs": [{"Name": "x", "Dimensions": [-1, 3], "Format/Datatype": text} for text in inputs],
        "Outputs": [{"Name": "y", "Dimensions": [-1, 3], "Format/Datatype": text} for text in outputs],
    }  # fmt: skip
    return layer if weights is None else {**layer, "Weights": {"Type": weights, "Count": 432}}


def _counts(*layers: Any) -> dict[str, int]:
    return layer_precisions(json.dumps({"Layers": list(layers), "Bindings": ["images"]}))


@pytest.mark.parametrize(("word", "precision"), [
    ("Float", "fp32"), ("Row major linear FP32", "fp32"),
    ("Half", "fp16"), ("Channel major FP16 format where channel % 8 == 0", "fp16"), 
    ("Row major linear FP16 format", "fp16"),
    ("Int8", "int8"), ("Thirty-two wide channel vectorized row major Int8 format", "int8"),
    ("BFloat16", "bf16"), ("BF16", "bf16"), ("FP8", "fp8"),
])  # fmt: skip
def test_the_words_of_all_versions_are_understood(word: str, precision: str) -> None:
    assert _counts(_layer("CaskConvolution", [word], [word])) == {precision: 1}


def test_a_layer_counts_as_the_narrowest_of_what_it_reads_writes_and_holds() -> None:
    assert _counts(
        _layer("CaskConvolution", ["Half"], ["Float"]),
        _layer("CaskGemmMatrixMultiply", ["Float"], ["Float"], weights="Int8"),
        _layer("kgen", ["Half", "Int64"], ["Half"]),
    ) == {"fp16": 2, "int8": 1}


def test_layers_that_move_data_are_not_counted() -> None:
    assert _counts(
        _layer("Reformat", ["Float"], ["Half"]), _layer("NoOp", ["Half"], ["Half"]), _layer("Constant", [], ["Half"])
    ) == {}  # fmt: skip


def test_types_that_are_no_numbers_to_multiply_are_not_counted() -> None:
    assert _counts(_layer("Myelin", ["Int64"], ["Bool"]), _layer("x", ["N/A due to dynamic shapes"], ["Int32"])) == {}


def test_an_engine_that_tells_names_alone_tells_no_precision() -> None:
    assert _counts("conv1", "conv2") == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"Layers": null}', '{"Layers": [3, {"Inputs": 4}]}'])
def test_what_is_not_understood_tells_no_precision(text: str) -> None:
    assert layer_precisions(text) == {}
