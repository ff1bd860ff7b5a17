"""Brings news to all open windows: the state, the camera, the saved adaptations, and pictures."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import anyio.to_thread
import msgspec

from hyperflow_runtime.cameras.camera import Camera
from server.describing import describe_camera
from server.live_schemas import CameraMessage, SavedMessage, StateMessage, View
from server.schemas import CameraState, State
from server.windows import MOST_WINDOWS, Picture, Window, Windows

__all__ = ["Hub"]

_LOG = logging.getLogger(__name__)
_CAMERA_POLL_S = 0.5


class Hub:
    """All windows, and the tasks that keep them up to date. Methods are for the event loop, except where said."""

    def __init__(self, describe: Callable[[], State], camera: Camera) -> None:
        """Wait for `run`.

        Args:
            describe: Makes the state; called in a thread.
            camera: To watch.
        """
        self._describe, self._camera = describe, camera
        self._windows = Windows()
        self._state_changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.on_demand: Callable[[bool, bool], None] = lambda want_picture, want_direct: None

    @property
    def is_full(self) -> bool:
        """Whether no further window can be opened."""
        return len(self._windows) >= MOST_WINDOWS

    async def run(self) -> None:
        """Keep the windows up to date until cancelled."""
        self._loop = asyncio.get_running_loop()
        await asyncio.gather(self._publish_state(), self._watch_camera())

    def announce_change(self) -> None:
        """Have the state sent to all windows. For any thread."""
        self._call(self._state_changed.set)

    def announce_saved(self) -> None:
        """Tell all windows that the list of saved adaptations changed. For any thread."""
        self._call(self._windows.post, "saved", msgspec.json.encode(SavedMessage()))

    def deliver(self, picture: Picture) -> None:
        """Have a picture sent to the windows that wait for one. For any thread."""
        self._call(self._give, picture)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _give(self, picture: Picture) -> None:
        self._windows.give(picture)
        self._tell_demand()

    async def open(self, window: Window) -> None:
        """A window was opened: it gets the state first."""
        self._windows.add(window)
        window.post("state", await self._state_text())

    def close(self, window: Window) -> None:
        """A window was closed."""
        self._windows.discard(window)
        self._tell_demand()

    def ready(self, window: Window) -> None:
        """A window asks for the next picture."""
        self._windows.ask(window)
        self._tell_demand()

    def view(self, window: Window, view: View) -> None:
        """A window says what it shows."""
        window.view = view
        self._tell_demand()

    def _tell_demand(self) -> None:
        self.on_demand(self._windows.want_picture, self._windows.want_direct)

    async def _state_text(self) -> bytes:
        return msgspec.json.encode(StateMessage(await anyio.to_thread.run_sync(self._describe)))

    async def _publish_state(self) -> None:
        while True:
            await self._state_changed.wait()
            self._state_changed.clear()
            if len(self._windows) == 0:
                continue
            try:
                self._windows.post("state", await self._state_text())
            except Exception:  # the next change is told again
                _LOG.exception("the state could not be told")

    async def _watch_camera(self) -> None:
        told: tuple[object, ...] | None = None
        while True:
            camera = describe_camera(self._camera)
            if told != _notable(camera):
                told = _notable(camera)
                self._windows.post("camera", msgspec.json.encode(CameraMessage(camera)))
            await asyncio.sleep(_CAMERA_POLL_S)


def _notable(camera: CameraState) -> tuple[object, ...]:
    """Return what windows are told of at once; rates and counts come with the pictures."""
    return camera.state, camera.last_error, camera.width, camera.height, camera.n_reconnects
