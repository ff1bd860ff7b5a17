"""A camera that is read by one thread and gives its newest frame to any number of others."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from types import TracebackType

from hyperflow_runtime.cameras.captured import CameraStatus, CapturedFrame
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import EndOfSource, Source, Stage
from hyperflow_runtime.cameras.supervising import Supervisor
from hyperflow_runtime.errors import CameraError

__all__ = ["Camera"]


class Camera:
    """Newest frames of one source; use `open_camera` to make one. A context manager.

    A lens or a stream that is gone is opened again, after pauses that grow from 0.5 s to 10 s, until it is back or the
    camera is closed. A source that blocks for longer than `timeout_s` counts as gone too: its thread is left behind
    and a new source is made.
    """

    def __init__(self, make_source: Callable[[], Source], options: CameraOptions) -> None:
        """Start capturing.

        Args:
            make_source: Makes the source, not opened. Called again only when one was left behind.
            options: See `CameraOptions`.

        Raises:
            CameraError: The source cannot be made as asked.
        """
        self._timeout_s = options.timeout_s
        self._supervisor = Supervisor(make_source, options)
        self._mailbox = self._supervisor.mailbox
        self._supervisor.start()
        atexit.register(self.close)  # a thread inside a driver at the interpreter's end may crash it

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, *, after: int = -1, timeout_s: float | None = None) -> CapturedFrame:
        """Return the newest frame whose index is above `after`, waiting for it.

        Args:
            after: Index of the frame that was had last. With -1 the newest frame comes at once, which may be old
                while a camera is gone: see `CapturedFrame.captured_s`.
            timeout_s: How long to wait; None for the options' `timeout_s`.

        Raises:
            CameraError: No frame came in time, the camera has failed, or it was closed; with the last error.
            EndOfSource: The file is over.
        """
        return self._mailbox.take(after, self._timeout_s if timeout_s is None else timeout_s)

    def frames(self) -> Iterator[CapturedFrame]:
        """Yield frames, each once, the newest each time, until the source is over or the camera is closed.

        While a camera is gone, this waits until it is back.

        Raises:
            CameraError: The camera has failed for good.
        """
        after = -1
        while True:
            try:
                frame = self._mailbox.take(after, None)
            except EndOfSource:
                return
            except CameraError:
                if self._mailbox.is_closed:
                    return
                raise
            yield frame
            after = frame.index

    def wait_for_first(self) -> None:
        """Wait until the first frame is there.

        Raises:
            CameraError: The first attempt to open the source failed, or it gives no frames.
            EndOfSource: The source holds no frames.
        """
        self._mailbox.wait_for_first()

    @property
    def newest(self) -> CapturedFrame | None:
        """The newest frame, without waiting; None before the first."""
        return self._mailbox.newest

    @property
    def status(self) -> CameraStatus:
        """How the camera is doing."""
        return self._mailbox.status

    @property
    def is_stuck(self) -> bool:
        """Whether its driver has swallowed so many threads that nothing more is tried; a new process may help."""
        return self._supervisor.has_given_up

    @property
    def stage(self) -> Stage | None:
        """What decides the scene, when the source is a rendered one."""
        return self._supervisor.source.stage

    @property
    def nominal_fps(self) -> float | None:
        """Rate at which a file or a scene is to be played, known with the first frame; None for a lens or a stream."""
        return self._supervisor.source.nominal_fps

    def close(self) -> None:
        """Stop and free the source; a second call does nothing.

        Waits for at most the options' `timeout_s`. A source that does not come back by then is left behind, and
        `status.last_error` says so.
        """
        self._mailbox.close()
        self._supervisor.stop()
        self._supervisor.join(self._timeout_s)
        if self._supervisor.n_blocked:
            self._mailbox.close(
                f"{self.status.description} did not let go within {self._timeout_s:g} s and was left behind; "
                "its device may stay busy until this process ends"
            )
        atexit.unregister(self.close)
