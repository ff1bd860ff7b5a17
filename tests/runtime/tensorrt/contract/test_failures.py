"""TensorRT fails at work: what it said reaches the error, and what it had taken is given back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from stand_in import StandIn

from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
from hyperflow_runtime.errors import BackendError

Array = NDArray[np.float32]
NO_MEMORY = "Error Code 2: OutOfMemory (Requested size was 1048576 bytes.)"
ILLEGAL = "Error Code 1: Cuda Runtime (an illegal memory access was encountered)"


def test_no_memory_for_an_execution_context_is_said_with_the_way_out(
    backend: TensorRTBackend, stand_in: StandIn, images: Array, theta: Array
) -> None:
    before = stand_in.ledger.live()
    stand_in.faults.execution_context = NO_MEMORY

    with ThreadPoolExecutor(1) as threads:
        failed = threads.submit(backend.encode, images[:1], theta).exception()

    assert isinstance(failed, BackendError)
    said = str(failed)
    assert f"no execution context for backbone.onnx ({NO_MEMORY}; close other programs, add swap" in said
    assert stand_in.ledger.live() == before


def test_there_may_be_memory_again_later(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, stand_in: StandIn, images: Array, theta: Array
) -> None:
    stand_in.faults.execution_context = NO_MEMORY
    with pytest.raises(BackendError, match="no execution context"):
        backend.encode(images[:1], theta)
    stand_in.faults.execution_context = ""

    np.testing.assert_allclose(backend.encode(images[:1], theta), processor.encode(images[:1], theta), atol=1e-5)


def test_a_run_that_fails_names_the_shapes_and_what_tensorrt_said(
    backend: TensorRTBackend, stand_in: StandIn, images: Array, theta: Array
) -> None:
    backend.encode(images[:1], theta)
    stand_in.faults.execute = ILLEGAL

    with pytest.raises(BackendError) as raised:
        backend.encode(images[:2], theta)

    said = str(raised.value)
    assert "backbone.onnx: a run on inputs {'images': (2, 3, 32, 32), 'theta': (144,)} failed in TensorRT" in said
    assert stand_in.tensorrt.__version__ in said
    assert ILLEGAL in said


def test_an_error_tells_nothing_of_earlier_ones(
    backend: TensorRTBackend, stand_in: StandIn, images: Array, theta: Array
) -> None:
    backend.encode(images[:1], theta)
    for reason in ("the first reason", "the second reason"):
        stand_in.faults.execute = reason
        with pytest.raises(BackendError) as raised:
            backend.encode(images[:1], theta)
        assert reason in str(raised.value)
    assert "the first reason" not in str(raised.value)


def test_a_run_that_failed_leaves_no_work_behind(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, stand_in: StandIn, images: Array, theta: Array
) -> None:
    stand_in.faults.execute = ILLEGAL
    with pytest.raises(BackendError):
        backend.encode(images[:1], theta)
    stand_in.faults.execute = ""

    np.testing.assert_allclose(backend.encode(images[:1], theta), processor.encode(images[:1], theta), atol=1e-5)
    stand_in.faults.execute = ILLEGAL
    with pytest.raises(BackendError):
        backend.encode(images[:1], theta)
    backend.close()
    stand_in.check(nothing_left=True)


def test_no_memory_for_the_second_engine_leaves_nothing_of_the_first(
    stand_in: StandIn, untested: object, bundle: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is on a board whose memory the camera has."""
    runtime, n_read = stand_in.tensorrt.Runtime, 0
    original = runtime.deserialize_cuda_engine

    def only_the_first(shown: object, plan: bytes) -> object:
        nonlocal n_read
        n_read += 1
        stand_in.faults.deserialise = NO_MEMORY if n_read == 2 else ""
        return original(shown, plan)

    monkeypatch.setattr(runtime, "deserialize_cuda_engine", only_the_first)
    with ThreadPoolExecutor(1) as threads:
        open_it = lambda: TensorRTBackend.open(bundle, cache=untested, tested_only=False)  # type: ignore[arg-type] # noqa: E731
        failed = threads.submit(open_it).exception()

    assert "refuses the engine of adapt.onnx" in str(failed)
    assert NO_MEMORY in str(failed)
    del failed
    stand_in.check(nothing_left=True)
