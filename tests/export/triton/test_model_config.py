"""The configurations, read back with Triton's own protobuf schema and compared field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperflow_export.errors import ExportError
from hyperflow_export.triton.config_text import FIRST_LINE, config_text
from hyperflow_export.triton.model_config import adapt_config, backbone_config
from hyperflow_export.triton.serving import Accelerator, Kind, Serving
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.reader import Bundle

Parse = Callable[[str], Any]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def fields(parsed: Any) -> dict[str, Any]:
    plain: dict[str, Any] = json_format.MessageToDict(parsed, preserving_proto_field_name=True)
    return plain


def tensor(name: str, *dims: int) -> dict[str, Any]:
    return {"name": name, "data_type": "TYPE_FP32", "dims": [str(size) for size in dims]}


def test_the_backbone_says_all_that_triton_needs_and_nothing_else(bundle: Bundle, parse: Parse) -> None:
    text = config_text(backbone_config("desk", bundle.manifest, Serving("cpu", 2), {1: "aa", 3: "bb"}))

    assert text.startswith(FIRST_LINE)
    assert fields(parse(text)) == {
        "name": "desk_backbone",
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "default_model_filename": "model.onnx",
        "version_policy": {"all": {}},
        "input": [tensor("images", -1, 3, 32, 32), tensor("theta", 144)],
        "output": [tensor("features", -1, bundle.manifest.feature_dim)],
        "instance_group": [{"count": 2, "kind": "KIND_CPU"}],
        "parameters": {
            "hyperflow_bundle_1": {"string_value": "aa"},
            "hyperflow_bundle_3": {"string_value": "bb"},
        },
    }


def test_the_drift_takes_its_scalar_as_one_number_without_a_reshape(bundle: Bundle, parse: Parse) -> None:
    parsed = parse(config_text(adapt_config("desk", bundle.manifest, Serving("gpu"), {1: "aa"})))

    plain = fields(parsed)
    assert plain["name"] == "desk_adapt"
    assert plain["input"] == [
        tensor("features", -1, bundle.manifest.feature_dim), tensor("labels_onehot", -1, -1), tensor("step_size", 1)
    ]  # fmt: skip
    assert plain["output"] == [tensor("theta", 144), tensor("step_norms", bundle.manifest.adaptation.n_steps)]
    assert plain["instance_group"] == [{"count": 1, "kind": "KIND_GPU"}]
    assert parsed.max_batch_size == 0
    assert not any(each.HasField("reshape") for each in (*parsed.input, *parsed.output))


def test_shapes_are_those_that_the_graphs_take_and_give(bundle: Bundle, parse: Parse) -> None:
    parsed = parse(config_text(backbone_config("desk", bundle.manifest, Serving(), {1: "aa"})))
    images, theta = parsed.input
    backend = OnnxRuntimeBackend(bundle)

    features = backend.encode(np.zeros([5 if size == -1 else size for size in images.dims], np.float32),
                              np.zeros(theta.dims, np.float32))  # fmt: skip

    assert features.shape == tuple(5 if size == -1 else size for size in parsed.output[0].dims)
    backend.close()


def test_tensorrt_compiles_the_backbone_for_all_batches_and_leaves_the_drift_alone(
    bundle: Bundle, parse: Parse
) -> None:
    serving = Serving("gpu", accelerator="tensorrt", engine_cache="/cache/engines")
    backbone = parse(config_text(backbone_config("desk", bundle.manifest, serving, {1: "aa"})))
    adapt = parse(config_text(adapt_config("desk", bundle.manifest, serving, {1: "aa"})))

    (accelerator,) = backbone.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.name == "tensorrt"
    assert dict(accelerator.parameters) == {
        "precision_mode": "FP32",
        "trt_profile_min_shapes": "images:1x3x32x32",
        "trt_profile_opt_shapes": "images:1x3x32x32",
        "trt_profile_max_shapes": f"images:{bundle.manifest.limits.max_batch}x3x32x32",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": "/cache/engines",
    }
    (warm_up,) = backbone.model_warmup
    assert {name: (list(given.dims), given.zero_data) for name, given in warm_up.inputs.items()} == {
        "images": ([1, 3, 32, 32], True),
        "theta": ([144], True),
    }
    assert warm_up.batch_size == 1  # a model without a batch dimension takes no other
    assert not adapt.HasField("optimization")
    assert not adapt.model_warmup


def test_without_an_engine_cache_nothing_is_written_on_the_server(bundle: Bundle) -> None:
    text = config_text(backbone_config("desk", bundle.manifest, Serving(accelerator="tensorrt"), {1: "aa"}))

    assert "trt_engine_cache" not in text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=TEXTS)
def test_any_text_survives_the_text_format(bundle: Bundle, parse: Parse, path: str) -> None:
    serving = Serving(accelerator="tensorrt", engine_cache=path)
    parsed = parse(config_text(backbone_config("desk", bundle.manifest, serving, {1: "aa"})))

    (accelerator,) = parsed.optimization.execution_accelerators.gpu_execution_accelerator
    assert accelerator.parameters["trt_engine_cache_path"] == path


@pytest.mark.parametrize(
    ("kind", "n_instances", "accelerator", "engine_cache", "message"),
    [
        ("auto", 0, None, None, "there must be 1 or more instances of a model, got 0"),
        ("cpu", 1, "tensorrt", None, "accelerator tensorrt runs on a GPU; use it with kind 'gpu' or 'auto'"),
        ("gpu", 1, None, "/cache", "an engine cache keeps what an accelerator compiles; name the accelerator too"),
    ],
)
def test_options_that_make_no_sense_together_are_refused(
    kind: Kind, n_instances: int, accelerator: Accelerator | None, engine_cache: str | None, message: str
) -> None:
    with pytest.raises(ExportError) as raised:
        Serving(kind, n_instances, accelerator, engine_cache)

    assert str(raised.value) == message
