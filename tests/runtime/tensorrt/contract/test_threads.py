"""Many threads, and the end of a backend while some are still at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stand_in import StandIn

from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
from hyperflow_runtime.errors import BackendError

Array = NDArray[np.float32]
Support = Callable[[int, int], tuple[Array, Array]]
CLOSED = "the model is closed; open the bundle again"
N_THREADS, N_ROUNDS = 6, 4
DEADLINE_S = 30


class Gate:
    """Holds everything that waits for the GPU until it is opened."""

    def __init__(self) -> None:
        self.reached, self._opened = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.reached.set()
        assert self._opened.wait(DEADLINE_S)

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def before_waiting(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Has something called before every wait for a stream."""

    def install(call: Callable[[], Any]) -> None:
        original = stand_in.driver.Stream.synchronize

        def synchronize(stream: Any) -> None:
            call()
            original(stream)

        monkeypatch.setattr(stand_in.driver.Stream, "synchronize", synchronize)

    return install


@pytest.fixture
def running(
    backend: TensorRTBackend, images: Array, theta: Array, before_waiting: Callable[[Callable[[], Any]], None]
) -> Iterator[tuple[Gate, Any]]:
    """A call that waits for the GPU, and the gate it waits at."""
    gate = Gate()
    before_waiting(gate.wait)
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(backend.encode, images[:2], theta)
        assert gate.reached.wait(DEADLINE_S)
        yield gate, future
        gate.open()


def test_many_threads_get_what_each_asked_for(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, stand_in: StandIn, images: Array, theta: Array,
    support: Support,
) -> None:  # fmt: skip
    shared = backend.baked(theta)

    def work(number: int) -> None:
        mine = theta * number
        for n_images in range(1, N_ROUNDS + 1):
            batch, (features, onehot) = images[number : number + n_images], support(n_images + 3, 2)
            own = backend.baked(mine).encode(batch)
            np.testing.assert_allclose(own, processor.encode(batch, mine), atol=1e-4)
            np.testing.assert_allclose(shared.encode(batch), processor.encode(batch, theta), atol=1e-4)
            drift = backend.adapt(features, onehot, 1.0)
            np.testing.assert_allclose(drift.theta, processor.adapt(features, onehot, 1.0).theta, atol=1e-4)

    with ThreadPoolExecutor(N_THREADS) as threads:
        list(threads.map(work, range(N_THREADS)))

    assert stand_in.ledger.n_made("execution context") <= 2 * N_THREADS
    stand_in.check()


def test_two_calls_at_the_same_time_have_a_context_each(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, stand_in: StandIn, images: Array, theta: Array,
    before_waiting: Callable[[Callable[[], Any]], None],
) -> None:  # fmt: skip
    both = threading.Barrier(2, timeout=DEADLINE_S)
    before_waiting(both.wait)

    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(backend.encode, images[index : index + 1], theta) for index in range(2)]
        features = np.concatenate([future.result() for future in futures])

    np.testing.assert_allclose(features, processor.encode(images[:2], theta), atol=1e-5)
    assert stand_in.ledger.live()["execution context"] == 2
    assert stand_in.ledger.live()["stream"] == 2


def test_closing_waits_for_a_running_call_and_takes_no_more(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, stand_in: StandIn, images: Array, theta: Array,
    running: tuple[Gate, Any],
) -> None:  # fmt: skip
    gate, future = running
    closing = threading.Thread(target=backend.close)
    closing.start()
    _until_closed(backend, images[:0], theta)
    held = stand_in.ledger.live()

    assert closing.is_alive()
    assert (held["engine"], held["execution context"], held["stream"]) == (2, 1, 1)
    gate.open()
    np.testing.assert_allclose(future.result(), processor.encode(images[:2], theta), atol=1e-5)
    closing.join()
    stand_in.check(nothing_left=True)


def _until_closed(backend: TensorRTBackend, no_images: Array, theta: Array) -> None:
    """Encode nothing, which runs nothing, until the backend takes no calls."""
    given_up = threading.Event()
    timer = threading.Timer(DEADLINE_S, given_up.set)
    timer.start()
    with pytest.raises(BackendError, match=f"^{CLOSED}$"):
        _repeat(lambda: backend.encode(no_images, theta), given_up)
    timer.cancel()


def _repeat(call: Callable[[], Any], given_up: threading.Event) -> None:
    while not given_up.is_set():
        call()


def test_a_closed_backend_says_so_and_closes_again(
    backend: TensorRTBackend, stand_in: StandIn, images: Array, theta: Array, support: Support
) -> None:
    encoder = backend.baked(theta)
    encoder.encode(images[:1])
    backend.close()
    stand_in.check(nothing_left=True)
    backend.close()

    for use in (
        lambda: backend.encode(images[:1], theta),
        lambda: backend.adapt(*support(4, 2), 1.0),
        lambda: backend.baked(theta),
        lambda: encoder.encode(images[:1]),
    ):
        with pytest.raises(BackendError, match=f"^{CLOSED}$"):
            use()


def test_another_thread_may_close(backend: TensorRTBackend, stand_in: StandIn, images: Array, theta: Array) -> None:
    encoder = backend.baked(theta)
    encoder.encode(images[:1])
    thread = threading.Thread(target=backend.close)
    thread.start()
    thread.join()

    stand_in.check(nothing_left=True)


def test_closing_frees_contexts_then_memory_then_engines_then_runtimes(
    backend: TensorRTBackend, stand_in: StandIn, images: Array, theta: Array, support: Support
) -> None:
    encoder = backend.baked(theta)
    encoder.encode(images[:8])
    encoder.encode(images[:1])
    backend.adapt(*support(4, 2), 1.0)
    n_before = len(stand_in.ledger.order_freed())

    backend.close()

    order = stand_in.ledger.order_freed()[n_before:]
    assert order[-4:] == ["engine", "runtime"] * 2
    assert {"engine", "runtime"}.isdisjoint(order[:-4])
    assert order[0] == "execution context"
    assert order.count("execution context") == 3
    assert order.count("stream") == 3


def test_a_backend_that_nobody_holds_frees_everything(
    stand_in: StandIn, untested: Any, bundle: Any, images: Array, theta: Array
) -> None:
    opened = TensorRTBackend.open(bundle, cache=untested, tested_only=False)
    opened.encode(images[:1], theta)
    assert stand_in.ledger.live()["engine"] == 2

    del opened

    stand_in.check(nothing_left=True)


def test_the_cuda_context_is_retained_once_and_left_to_nobody(
    backend: TensorRTBackend, stand_in: StandIn, images: Array, theta: Array
) -> None:
    backend.encode(images[:1], theta)

    assert stand_in.n_retained == 1
    assert stand_in.driver.Context.get_current() is None
