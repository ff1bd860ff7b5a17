"""How far a build is, and the way to stop it."""

from __future__ import annotations

from threading import Event
from typing import Any, Protocol

from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary

__all__ = ["PhaseListener", "make_monitor"]


class PhaseListener(Protocol):
    """Told of a build's phases, which nest, from TensorRT's own threads."""

    def start(self, phase: str, parent: str | None, n_steps: int) -> None:
        """A phase of so many steps began, inside another or at the top."""
        ...

    def step(self, phase: str, step: int) -> None:
        """A step, counted from 0, is done."""
        ...

    def finish(self, phase: str) -> None:
        """A phase ended, done or not."""
        ...


def make_monitor(library: TensorRTLibrary, listener: PhaseListener | None, cancelled: Event) -> Any:
    """Make a progress monitor for a build.

    Args:
        library: From `load_library`.
        listener: Told of everything; None for nobody.
        cancelled: Once set, TensorRT stops at the next step.

    Returns:
        A `trt.IProgressMonitor`, which must outlive the build.
    """
    base: Any = library.module.IProgressMonitor

    class Monitor(base):  # type: ignore[misc]
        def __init__(self) -> None:
            base.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if listener is not None:
                listener.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            if listener is not None:
                listener.step(phase_name, step)
            return not cancelled.is_set()

        def phase_finish(self, phase_name: str) -> None:
            if listener is not None:
                listener.finish(phase_name)

    return Monitor()
