"""One pretended machine: its GPU, its memory, its streams, its contexts, and the ledger of them all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from stand_in.contexts import Contexts
from stand_in.cuda_errors import CudaLogicError
from stand_in.device import DeviceSpec, Faults
from stand_in.ledger import Ledger
from stand_in.memory import Memory
from stand_in.streams import Queues

__all__ = ["Machine"]

T = TypeVar("T")


class Machine:
    """What the fakes of pycuda and TensorRT share.

    Attributes:
        device: The GPU.
        faults: What is to go wrong.
        ledger: What happened.
        memory: Allocations.
        contexts: Current contexts of all threads.
        queues: Streams.
        is_initialised: Whether `pycuda.driver.init` was called.
    """

    def __init__(self, device: DeviceSpec) -> None:
        self.device, self.faults, self.ledger = device, Faults(), Ledger()
        self.memory = Memory(device, self.ledger)
        self.contexts = Contexts(self.faults, self.ledger)
        self.queues = Queues(self.ledger)
        self.is_initialised = False

    def check_initialised(self, routine: str) -> None:
        """Hold that CUDA was initialised.

        Raises:
            CudaLogicError: It was not.
        """
        if not self.is_initialised:
            self.ledger.note(f"{routine} before init")
            raise CudaLogicError(f"{routine} failed: initialization error")

    def check_context(self, what: str) -> None:
        """Hold that a context is current in this thread, where TensorRT would take whichever it finds.

        Raises:
            StandInMisuse: None is.
        """
        try:
            self.contexts.check_current(what)
        except CudaLogicError:
            self.ledger.misuse(f"{what} in thread {threading.current_thread().name}, where no context is current")

    def check_alive(self, what: str) -> None:
        """Hold that the primary context is still there when something on the GPU ends."""
        if self.contexts.n_retained == 0:
            self.ledger.note(f"{what} ended after the primary context")

    def in_own_thread(self, work: Callable[[], T]) -> T:
        """Call back as TensorRT does: from a thread that Python did not start."""
        results: list[T] = []
        thread = threading.Thread(target=lambda: results.append(work()), name="TensorRT")
        thread.start()
        thread.join()
        if not results:
            raise RuntimeError("a callback raised an exception, which TensorRT cannot pass on")
        return results[0]
