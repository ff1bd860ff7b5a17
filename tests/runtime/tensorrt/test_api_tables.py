"""The tables of names against what is known of TensorRT's versions: what went in 10 and in 11, and what stayed."""

from __future__ import annotations

import pytest
from stand_in import TENSORRT_VERSIONS, members_of, pycuda_table, tensorrt_table

KEPT = {
    "Builder": {"build_serialized_network", "create_builder_config", "create_network", "create_optimization_profile"},
    "BuilderFlag": {
        "EXCLUDE_LEAN_RUNTIME", "REFIT", "REFIT_IDENTICAL", "REFIT_INDIVIDUAL", "STRIP_PLAN", "TF32",
        "VERSION_COMPATIBLE",
    },
    "HardwareCompatibilityLevel": {"AMPERE_PLUS", "NONE"},
    "IBuilderConfig": {"create_timing_cache", "progress_monitor", "set_memory_pool_limit", "set_timing_cache"},
    "ICudaEngine": {"get_tensor_name", "get_tensor_profile_shape", "num_io_tensors"},
    "IExecutionContext": {
        "execute_async_v3", "execute_v2", "infer_shapes", "set_input_shape", "set_optimization_profile_async",
        "set_tensor_address",
    },
    "IProgressMonitor": {"phase_finish", "phase_start", "step_complete"},
    "OnnxParser": {"parse", "parse_from_file"},
    "Runtime": {"deserialize_cuda_engine"},
}  # fmt: skip
GONE_IN_10 = {
    "Builder": {"build_engine", "max_batch_size"},
    "BuilderFlag": {"STRICT_TYPES"},
    "IBuilderConfig": {"max_workspace_size"},
    "ICudaEngine": {"binding_is_input", "get_binding_shape", "get_profile_shape", "max_batch_size", "num_bindings"},
    "IExecutionContext": {"execute", "execute_async", "execute_async_v2", "set_binding_shape", "set_shape_input"},
    "INetworkDefinition": {"add_convolution", "add_fully_connected", "add_rnn_v2"},
}
GONE_IN_11 = {
    "Builder": {"platform_has_fast_fp16", "platform_has_fast_int8", "platform_has_tf32"},
    "BuilderFlag": {
        "BF16", "FP16", "FP8", "INT4", "INT8", "OBEY_PRECISION_CONSTRAINTS", "PREFER_PRECISION_CONSTRAINTS",
        "REJECT_EMPTY_ALGORITHMS", "WEIGHTLESS",
    },
    "IBuilderConfig": {"int8_calibrator", "set_calibration_profile"},
    "ICudaEngine": {
        "create_execution_context_without_device_memory", "device_memory_size", "get_device_memory_size_for_profile",
        "has_implicit_batch_dimension", "weight_streaming_budget",
    },
    "IExecutionContext": {"all_shape_inputs_specified"},
    "ILayer": {"precision", "set_output_type"},
    "INormalizationLayer": {"compute_precision"},
    "IPluginRegistry": {"get_plugin_creator", "plugin_creator_list"},
    "ITensor": {"dynamic_range", "set_dynamic_range"},
    "NetworkDefinitionCreationFlag": {"EXPLICIT_BATCH"},
    "OnnxParser": {"parse_with_weight_descriptors", "supports_model"},
    "TacticSource": {"CUBLAS", "CUBLAS_LT", "CUDNN"},
}  # fmt: skip
CLASSES_GONE_IN_11 = {
    "CalibrationAlgoType", "IAlgorithm", "IInt8Calibrator", "IInt8EntropyCalibrator2", "IInt8MinMaxCalibrator",
    "QuantizationFlag",
}  # fmt: skip


@pytest.mark.parametrize("version", TENSORRT_VERSIONS)
def test_what_all_versions_share_is_in_every_table(version: str) -> None:
    table = tensorrt_table(version)

    assert {name: wanted - members_of(table, name) for name, wanted in KEPT.items()} == {name: set() for name in KEPT}


@pytest.mark.parametrize("version", TENSORRT_VERSIONS)
def test_what_went_with_10_is_in_no_table(version: str) -> None:
    table = tensorrt_table(version)

    assert {name: gone & members_of(table, name) for name, gone in GONE_IN_10.items()} == {
        name: set() for name in GONE_IN_10
    }


@pytest.mark.parametrize("version", ["10.3", "10.13", "10.16"])
def test_what_went_with_11_is_in_every_older_table(version: str) -> None:
    table = tensorrt_table(version)

    assert {name: gone - members_of(table, name) for name, gone in GONE_IN_11.items()} == {
        name: set() for name in GONE_IN_11
    }
    assert table["classes"].keys() | table["enums"].keys() >= CLASSES_GONE_IN_11


def test_what_went_with_11_is_not_in_11_4() -> None:
    table = tensorrt_table("11.4")

    assert {name: gone & members_of(table, name) for name, gone in GONE_IN_11.items()} == {
        name: set() for name in GONE_IN_11
    }
    assert not (table["classes"].keys() | table["enums"].keys()) & CLASSES_GONE_IN_11


def test_the_flag_for_strong_types_is_there_in_every_version_and_0_in_11() -> None:
    numbers = [
        tensorrt_table(version)["enums"]["NetworkDefinitionCreationFlag"]["STRONGLY_TYPED"]
        for version in TENSORRT_VERSIONS
    ]

    assert numbers == [1, 1, 1, 0]


def test_only_tensorrt_for_rtx_builds_for_named_compute_capabilities() -> None:
    rtx = tensorrt_table("1.7", "tensorrt_rtx")

    assert {"num_compute_capabilities", "set_compute_capability"} <= members_of(rtx, "IBuilderConfig")
    for version in TENSORRT_VERSIONS:
        assert "set_compute_capability" not in members_of(tensorrt_table(version), "IBuilderConfig")


@pytest.mark.parametrize("version", TENSORRT_VERSIONS)
def test_every_method_of_the_classes_in_use_has_a_signature(version: str) -> None:
    table = tensorrt_table(version)

    for name in KEPT.keys() - table["enums"].keys():
        for method, signatures in table["classes"][name]["methods"].items():
            assert signatures, f"{name}.{method}"
            assert all(signature.startswith("(") for signature in signatures)


@pytest.mark.parametrize(("version", "full"), [("10.3", "10.3.0"), ("10.13", "10.13.3.9"), ("10.16", "10.16.1.11")])
def test_a_table_tells_which_package_it_came_from(version: str, full: str) -> None:
    table = tensorrt_table(version)

    assert table["version"] == full
    assert table["source"].endswith(f"-bindings=={full}")


def test_pycuda_retains_primary_contexts_and_maps_host_memory() -> None:
    table = pycuda_table()

    assert {"count", "retain_primary_context"} <= table["classes"]["Device"]["methods"].keys()
    assert {"detach", "pop", "push"} <= table["classes"]["Context"]["methods"].keys()
    assert table["functions"]["pagelocked_empty"] == ["shape", "dtype", "order=", "mem_flags="]
    assert "DEVICEMAP" in table["classes"]["host_alloc_flags"]["values"]
    assert not any("graph_launch" in name.lower() for name in table["functions"])  # pycuda has no CUDA graphs
