"""The stand-in builds plans, reports progress, and refuses as TensorRT does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stand_in import ORIN_NANO, RTX_4090, TENSORRT_VERSIONS, StandIn, install

BUILD_BYTES = {"10.3": (10, 3, 0, 0), "10.13": (10, 13, 3, 9), "10.16": (10, 16, 1, 11), "11.4": (11, 4, 0, 106)}
MOST = 8


@pytest.fixture
def parsed(stand_in: StandIn, logger: Any, current: Any, tiny_bundle: Path) -> tuple[Any, Any, Any]:
    """Builder, network and configuration of the tiny backbone, with a profile for 1 to 8 images."""
    trt = stand_in.tensorrt
    builder = trt.Builder(logger)
    network, config = builder.create_network(0), builder.create_builder_config()
    assert trt.OnnxParser(network, logger).parse((tiny_bundle / "backbone.onnx").read_bytes())
    profile = builder.create_optimization_profile()
    profile.set_shape("images", (1, 3, 32, 32), (4, 3, 32, 32), (MOST, 3, 32, 32))
    assert config.add_optimization_profile(profile) == 0
    return builder, network, config


@pytest.fixture
def build(parsed: tuple[Any, Any, Any]) -> Callable[[], Any]:
    """Builds it."""
    builder, network, config = parsed
    return lambda: builder.build_serialized_network(network, config)


def test_a_plan_begins_with_the_tag_and_the_version(stand_in: StandIn, build: Callable[[], Any]) -> None:
    plan = build()
    data = bytes(plan)

    assert len(data) == plan.nbytes
    assert data[:4] == b"ftrt"
    assert tuple(data[24:28]) == BUILD_BYTES[stand_in.version]


def test_a_network_tells_its_layers_types_and_weights(stand_in: StandIn, parsed: tuple[Any, Any, Any]) -> None:
    network = parsed[1]
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    convolutions = [layer for layer in layers if layer.type == stand_in.tensorrt.LayerType.CONVOLUTION]

    assert convolutions
    for layer in convolutions:
        assert layer.get_input(0).dtype == stand_in.tensorrt.float32
        with pytest.raises(AttributeError):
            _ = layer.kernel
        layer.__class__ = stand_in.tensorrt.IConvolutionLayer
        assert layer.kernel.size % layer.num_output_maps == 0
        assert len(layer.kernel_size_nd) == 2


def test_a_graph_that_is_none_is_refused_with_a_reason(stand_in: StandIn, logger: Any, messages: list[str]) -> None:
    parser = stand_in.tensorrt.OnnxParser(stand_in.tensorrt.Builder(logger).create_network(0), logger)

    assert parser.parse(b"no graph") is False
    assert parser.num_errors == 1
    assert "Failed to parse the ONNX model" in parser.get_error(0).desc()
    assert messages[0].startswith("ERROR: Failed to parse")


def test_a_size_that_varies_needs_a_profile(
    stand_in: StandIn, parsed: tuple[Any, Any, Any], messages: list[str]
) -> None:
    builder, network, _ = parsed

    assert builder.build_serialized_network(network, builder.create_builder_config()) is None
    assert "no optimization profile has been defined" in messages[-1]


def test_a_profile_must_fit_the_graph(stand_in: StandIn, parsed: tuple[Any, Any, Any], messages: list[str]) -> None:
    builder, network, _ = parsed
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("images", (1, 3, 64, 64), (4, 3, 64, 64), (8, 3, 64, 64))
    config.add_optimization_profile(profile)

    assert builder.build_serialized_network(network, config) is None
    assert "images" in messages[-1]
    with pytest.raises(ValueError, match="inconsistent"):
        profile.set_shape("images", (4, 3, 32, 32), (1, 3, 32, 32), (8, 3, 32, 32))


def test_a_build_fails_as_it_is_told_to(stand_in: StandIn, build: Callable[[], Any], messages: list[str]) -> None:
    stand_in.faults.build = "Error Code 10: Internal Error (Could not find any implementation for node conv1.)"

    assert build() is None
    assert messages == [f"ERROR: {stand_in.faults.build}"]


def test_a_build_reports_phases_from_a_thread_of_its_own_until_told_to_stop(
    stand_in: StandIn, parsed: tuple[Any, Any, Any], build: Callable[[], Any]
) -> None:
    said: list[tuple[Any, ...]] = []

    class Monitor(stand_in.tensorrt.IProgressMonitor):  # type: ignore[misc, name-defined]
        goes_on = True

        def __init__(self) -> None:
            super().__init__()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            assert threading.current_thread() is not threading.main_thread()
            said.append(("start", phase_name, parent_phase))

        def step_complete(self, phase_name: str, step: int) -> bool:
            said.append(("step", phase_name, step))
            return self.goes_on

        def phase_finish(self, phase_name: str) -> None:
            said.append(("finish", phase_name))

    parsed[2].progress_monitor = monitor = Monitor()
    built, whole = build(), said[:]
    said.clear()
    monitor.goes_on = False

    assert built is not None
    assert whole[:3] == [
        ("start", "Building Engine", None),
        ("start", "Tactic timing", "Building Engine"),
        ("step", "Tactic timing", 0),
    ]
    assert whole[-1] == ("finish", "Building Engine")
    assert build() is None
    assert [line for line in said if line[0] == "step"] == [("step", "Tactic timing", 0)]
    assert [line[0] for line in said[-2:]] == ["finish", "finish"]


def test_a_timing_cache_grows_and_is_refused_by_another_device(
    stand_in: StandIn, parsed: tuple[Any, Any, Any], build: Callable[[], Any], monkeypatch: pytest.MonkeyPatch,
    logger: Any, messages: list[str],
) -> None:  # fmt: skip
    config = parsed[2]
    assert config.get_timing_cache() is None
    assert config.set_timing_cache(config.create_timing_cache(b""), False)
    before = bytes(config.get_timing_cache().serialize())
    build()
    after = bytes(config.get_timing_cache().serialize())

    other = install(monkeypatch, stand_in.version, RTX_4090)
    foreign = other.tensorrt.Builder(_silent(other)).create_builder_config()

    assert after != before
    assert config.set_timing_cache(config.create_timing_cache(after), False)
    assert not foreign.set_timing_cache(foreign.create_timing_cache(after), False)
    assert foreign.set_timing_cache(foreign.create_timing_cache(after), True)
    assert config.create_timing_cache(b"torn") is None
    assert "Timing cache header is invalid" in messages[-1]


def _silent(installed: StandIn) -> Any:
    return installed.tensorrt.Logger(installed.tensorrt.Logger.INTERNAL_ERROR)


def test_an_engine_tells_its_layers_only_if_built_to(
    stand_in: StandIn, parsed: tuple[Any, Any, Any], build: Callable[[], Any], logger: Any
) -> None:
    trt = stand_in.tensorrt

    def information() -> list[Any]:
        engine = trt.Runtime(logger).deserialize_cuda_engine(bytes(build()))
        text = engine.create_engine_inspector().get_engine_information(trt.LayerInformationFormat.JSON)
        layers: list[Any] = json.loads(text)["Layers"]
        return layers

    names = information()
    parsed[2].profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    detailed = information()
    stand_in.faults.layer_information = '{"Layers": []}'

    assert all(isinstance(layer, str) for layer in names)
    assert {tensor["Format/Datatype"] for layer in detailed for tensor in layer["Outputs"]} >= {"Row major linear FP32"}
    assert information() == []


@pytest.mark.parametrize("other", TENSORRT_VERSIONS)
def test_a_plan_is_read_by_its_own_version_only(
    stand_in: StandIn, build: Callable[[], Any], other: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    plan = bytes(build())
    reader = install(monkeypatch, other, ORIN_NANO)
    reader.driver.init()
    context = reader.driver.Device(0).retain_primary_context()
    context.push()

    engine = reader.tensorrt.Runtime(reader.tensorrt.Logger()).deserialize_cuda_engine(plan)

    context.pop()
    assert (engine is not None) == (other == stand_in.version)
    assert ("not compatible with this version of TensorRT" in capsys.readouterr().err) == (engine is None)


def test_a_plan_of_another_gpu_or_a_torn_one_is_refused_with_none(
    stand_in: StandIn, build: Callable[[], Any], logger: Any, messages: list[str], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    plan, runtime = bytes(build()), stand_in.tensorrt.Runtime(logger)

    assert runtime.deserialize_cuda_engine(plan[:-1]) is None
    assert runtime.deserialize_cuda_engine(b"junk" + plan[4:]) is None
    assert "Magic tag does not match" in messages[-1]
    stand_in.faults.deserialise = "Error Code 2: OutOfMemory"
    assert runtime.deserialize_cuda_engine(plan) is None
    assert messages[-1].endswith("Error Code 2: OutOfMemory")

    other = install(monkeypatch, stand_in.version, RTX_4090)
    other.driver.init()
    context = other.driver.Device(0).retain_primary_context()
    context.push()
    assert other.tensorrt.Runtime(other.tensorrt.Logger()).deserialize_cuda_engine(plan) is None
    context.pop()
    assert "expecting compute 8.9 got compute 8.7" in capsys.readouterr().err
