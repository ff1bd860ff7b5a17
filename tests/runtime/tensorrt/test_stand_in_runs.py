"""The stand-in runs engines: real results, and an end to whatever order TensorRT does not allow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from stand_in import StandIn, StandInMisuse

Array = NDArray[np.float32]
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((2, 3, 32, 32)).astype(np.float32)
THETA = RNG.standard_normal(144).astype(np.float32)


class Bench:
    """An execution context with memory for one run, for tests to run or to spoil."""

    def __init__(self, stand_in: StandIn, engine: Any) -> None:
        self.driver, self.engine = stand_in.driver, engine
        self.context, self.stream = engine.create_execution_context(), stand_in.driver.Stream()
        sizes = {"images": IMAGES.nbytes, "theta": THETA.nbytes, "features": 2 * 16 * 4}
        self.memory = {name: stand_in.driver.mem_alloc(size) for name, size in sizes.items()}
        self.driver.memcpy_htod(self.memory["images"], IMAGES)
        self.driver.memcpy_htod(self.memory["theta"], THETA)

    def prepare(self) -> None:
        """Give shapes and addresses."""
        assert self.context.set_input_shape("images", IMAGES.shape)
        for name, memory in self.memory.items():
            assert self.context.set_tensor_address(name, int(memory))

    def features_now(self) -> Array:
        """What lies in the output, without waiting for anything."""
        values: Array = np.zeros((2, 16), np.float32)
        self.driver.memcpy_dtoh_async(values, self.memory["features"], other := self.driver.Stream())
        other.synchronize()
        return values

    def features(self) -> Array:
        """What lies in the output."""
        values = np.zeros((2, 16), np.float32)
        self.driver.memcpy_dtoh(values, self.memory["features"])
        return values


@pytest.fixture
def engine(stand_in: StandIn, logger: Any, current: Any, tiny_bundle: Path) -> Any:
    """The tiny backbone, with profiles for 1 to 4 and for 1 to 8 images."""
    trt = stand_in.tensorrt
    builder = trt.Builder(logger)
    network, config = builder.create_network(0), builder.create_builder_config()
    trt.OnnxParser(network, logger).parse((tiny_bundle / "backbone.onnx").read_bytes())
    for most in (4, 8):
        profile = builder.create_optimization_profile()
        profile.set_shape("images", (1, 3, 32, 32), (2, 3, 32, 32), (most, 3, 32, 32))
        config.add_optimization_profile(profile)
    return trt.Runtime(logger).deserialize_cuda_engine(bytes(builder.build_serialized_network(network, config)))


@pytest.fixture
def bench(stand_in: StandIn, engine: Any) -> Bench:
    """All that a run needs, not prepared yet."""
    return Bench(stand_in, engine)


@pytest.fixture
def expected(tiny_bundle: Path) -> Array:
    """What onnxruntime makes of the same numbers."""
    session = onnxruntime.InferenceSession(tiny_bundle / "backbone.onnx", providers=["CPUExecutionProvider"])
    features: Array = session.run(["features"], {"images": IMAGES, "theta": THETA})[0]
    return features


@pytest.fixture
def misused(stand_in: StandIn) -> Callable[[str], None]:
    """Holds that exactly one misuse was noted, and forgives it."""

    def check(text: str) -> None:
        (said,) = stand_in.ledger.misuses
        assert text in said
        stand_in.ledger.misuses.clear()

    return check


def test_an_engine_tells_its_inputs_outputs_and_profiles(stand_in: StandIn, engine: Any) -> None:
    trt = stand_in.tensorrt
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]

    assert names == ["images", "theta", "features"]
    assert [engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT for name in names] == [True, True, False]
    assert {engine.get_tensor_dtype(name) for name in names} == {trt.float32}
    assert [tuple(engine.get_tensor_shape(name)) for name in names] == [(-1, 3, 32, 32), (144,), (-1, 16)]
    assert engine.num_optimization_profiles == 2
    assert [shape[0] for shape in engine.get_tensor_profile_shape("images", 1)] == [1, 2, 8]
    assert [tuple(shape) for shape in engine.get_tensor_profile_shape("theta", 0)] == [(144,)] * 3


def test_a_run_computes_what_the_graph_computes_once_somebody_waits(bench: Bench, expected: Array) -> None:
    bench.prepare()

    assert bench.context.infer_shapes() == []
    assert tuple(bench.context.get_tensor_shape("features")) == (2, 16)
    assert bench.context.execute_async_v3(bench.stream.handle)
    early = bench.features_now()
    bench.stream.synchronize()

    assert np.isnan(early).all()
    np.testing.assert_array_equal(bench.features(), expected)


def test_a_shape_outside_the_profile_is_answered_with_false(bench: Bench, messages: list[str]) -> None:
    assert not bench.context.set_input_shape("images", (5, 3, 32, 32))
    assert "does not satisfy any optimization profiles" in messages[-1]
    assert bench.context.infer_shapes() == ["images"]
    assert bench.context.set_optimization_profile_async(1, bench.stream.handle)
    bench.stream.synchronize()
    assert bench.context.set_input_shape("images", (5, 3, 32, 32))


def test_a_run_fails_as_it_is_told_to(stand_in: StandIn, bench: Bench, messages: list[str]) -> None:
    bench.prepare()
    stand_in.faults.execute = "Error Code 1: Cuda Runtime (an illegal memory access was encountered)"

    assert not bench.context.execute_async_v3(bench.stream.handle)
    assert "illegal memory access" in messages[-1]


def test_a_context_for_which_there_is_no_memory_is_none(stand_in: StandIn, engine: Any, messages: list[str]) -> None:
    stand_in.faults.execution_context = "Error Code 2: OutOfMemory (Requested size was 1048576 bytes.)"

    assert engine.create_execution_context() is None
    assert "OutOfMemory" in messages[-1]


def test_a_run_needs_every_shape(bench: Bench, misused: Callable[[str], None]) -> None:
    bench.context.set_tensor_address("images", int(bench.memory["images"]))

    with pytest.raises(StandInMisuse):
        bench.context.execute_async_v3(bench.stream.handle)
    misused("without a shape of images")


@pytest.mark.parametrize("forgotten", ["images", "theta", "features"])
def test_a_run_needs_every_address(bench: Bench, misused: Callable[[str], None], forgotten: str) -> None:
    del bench.memory[forgotten]
    bench.prepare()

    with pytest.raises(StandInMisuse):
        bench.context.execute_async_v3(bench.stream.handle)
    misused(f"without an address of {forgotten}")


def test_a_change_of_profile_forgets_shapes_and_addresses(bench: Bench, misused: Callable[[str], None]) -> None:
    bench.prepare()
    bench.context.set_optimization_profile_async(1, bench.stream.handle)
    bench.stream.synchronize()

    with pytest.raises(StandInMisuse):
        bench.context.execute_async_v3(bench.stream.handle)
    misused("without a shape of images")


def test_a_run_needs_a_stream_of_its_own(bench: Bench, misused: Callable[[str], None]) -> None:
    bench.prepare()

    with pytest.raises(StandInMisuse):
        bench.context.execute_async_v3(0)
    misused("on stream 0")


def test_a_run_needs_a_current_context(
    stand_in: StandIn, bench: Bench, current: Any, misused: Callable[[str], None]
) -> None:
    bench.prepare()
    current.pop()

    with pytest.raises(StandInMisuse):
        bench.context.execute_async_v3(bench.stream.handle)
    current.push()
    stand_in.ledger.misuses.pop()
    misused("execute_async_v3 without a current context")


def test_a_run_on_freed_memory_is_stopped(bench: Bench, misused: Callable[[str], None]) -> None:
    bench.prepare()
    bench.context.execute_async_v3(bench.stream.handle)
    bench.memory["theta"].free()

    with pytest.raises(StandInMisuse):
        bench.stream.synchronize()
    misused("theta in execute_async_v3: the device memory was freed")


def test_a_run_that_writes_more_than_there_is_room_for_is_stopped(bench: Bench, misused: Callable[[str], None]) -> None:
    bench.memory["features"] = bench.driver.mem_alloc(4)
    bench.prepare()
    bench.context.execute_async_v3(bench.stream.handle)

    with pytest.raises(StandInMisuse):
        bench.stream.synchronize()
    misused("128 bytes at byte 0 of 4")


def test_host_memory_that_is_not_mapped_cannot_be_read_by_the_gpu(bench: Bench, misused: Callable[[str], None]) -> None:
    pinned = bench.driver.pagelocked_empty(IMAGES.size, np.float32)
    bench.prepare()
    bench.context.set_tensor_address("images", pinned.ctypes.data)
    bench.context.execute_async_v3(bench.stream.handle)

    with pytest.raises(StandInMisuse):
        bench.stream.synchronize()
    misused("the host memory is not mapped")


def test_two_threads_cannot_use_one_context(bench: Bench, current: Any, misused: Callable[[str], None]) -> None:
    bench.prepare()
    bench.context.execute_async_v3(bench.stream.handle)
    stopped = threading.Event()

    def intrude() -> None:
        with pytest.raises(StandInMisuse):
            bench.context.set_input_shape("images", (1, 3, 32, 32))
        stopped.set()

    thread = threading.Thread(target=intrude)
    thread.start()
    thread.join()
    bench.stream.synchronize()

    assert stopped.is_set()
    misused("set_input_shape while another thread runs the same execution context")


def test_a_result_that_nobody_waited_for_is_told(stand_in: StandIn, bench: Bench, current: Any) -> None:
    bench.prepare()
    bench.context.execute_async_v3(bench.stream.handle)
    del bench.stream

    assert stand_in.ledger.misuses == ["a stream was dropped with work that nobody waited for"]
    stand_in.ledger.misuses.clear()


def test_objects_keep_what_they_need_alive_and_go_in_order(stand_in: StandIn, logger: Any, current: Any) -> None:
    trt = stand_in.tensorrt
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    trt.OnnxParser(network, logger).parse(_constant_graph())
    plan = bytes(builder.build_serialized_network(network, builder.create_builder_config()))
    context = trt.Runtime(logger).deserialize_cuda_engine(plan).create_execution_context()
    before = stand_in.ledger.live()

    del context

    assert {kind: before[kind] for kind in ("runtime", "engine", "execution context")} == {
        "runtime": 1, "engine": 1, "execution context": 1
    }  # fmt: skip
    assert stand_in.ledger.order_freed()[-3:] == ["execution context", "engine", "runtime"]


def _constant_graph() -> bytes:
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph([node], "relu", [value("x", kind, [2])], [value("y", kind, [2])])
    data: bytes = onnx.helper.make_model(graph).SerializeToString()
    return data
