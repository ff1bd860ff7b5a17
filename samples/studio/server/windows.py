"""The open windows of the page, and what each of them is to be sent. For the event loop alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec

from server.live_schemas import LiveMessage, View

__all__ = ["MOST_WINDOWS", "Picture", "Window", "Windows"]

MOST_WINDOWS = 16


@dataclass(frozen=True, eq=False)
class Picture:
    """One frame with its answer, encoded once for all windows."""

    message: LiveMessage
    jpeg: bytes


@dataclass(eq=False)
class Window:
    """One WebSocket. Holds the newest message of each kind alone, so that a slow window costs no memory.

    Attributes:
        view: What it shows.
        wants_picture: Whether it asked for one that was not given yet.
        last_index: Of the frame it was given last; -1 before the first.
        texts: Messages to send, by kind.
        picture: To send after them.
        wake: Set when there is something to send.
    """

    view: View = field(default_factory=View)
    wants_picture: bool = False
    last_index: int = -1
    texts: dict[str, bytes] = field(default_factory=dict)
    picture: Picture | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def post(self, kind: str, text: bytes) -> None:
        """Have a message sent, in the place of an older one of its kind."""
        self.texts[kind] = text
        self.wake.set()

    def give(self, picture: Picture) -> None:
        """Have a picture sent."""
        self.picture, self.wants_picture, self.last_index = picture, False, picture.message.index
        self.wake.set()

    async def next_messages(self) -> list[bytes | str]:
        """Wait for something to send, and return it: text messages as str, a picture as bytes."""
        await self.wake.wait()
        self.wake.clear()
        messages: list[bytes | str] = [text.decode() for text in self.texts.values()]
        self.texts.clear()
        if self.picture is not None:
            messages += [msgspec.json.encode(_seen(self.picture.message, self.view)).decode(), self.picture.jpeg]
            self.picture = None
        return messages


def _seen(message: LiveMessage, view: View) -> LiveMessage:
    """Return a message without what the window does not show."""
    return msgspec.structs.replace(
        message, direct=message.direct if view.compare else None, map=message.map if view.map else None
    )


class Windows:
    """All open windows."""

    def __init__(self) -> None:
        """Start without any."""
        self._windows: set[Window] = set()
        self._newest: Picture | None = None

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def want_picture(self) -> bool:
        """Whether any waits for a picture."""
        return any(window.wants_picture for window in self._windows)

    @property
    def want_direct(self) -> bool:
        """Whether any shows answers or places without adapting."""
        return any(window.view.compare or window.view.map for window in self._windows)

    def add(self, window: Window) -> None:
        """A window was opened."""
        self._windows.add(window)

    def discard(self, window: Window) -> None:
        """A window was closed."""
        self._windows.discard(window)

    def ask(self, window: Window) -> None:
        """A window asks for a picture. One that has none yet gets the last one, so that it is not blank."""
        window.wants_picture = True
        if window.last_index < 0 and self._newest is not None:
            window.give(self._newest)

    def give(self, picture: Picture) -> None:
        """Give a picture to all windows that wait for one."""
        self._newest = picture
        for window in self._windows:
            if window.wants_picture and picture.message.index > window.last_index:
                window.give(picture)

    def post(self, kind: str, text: bytes) -> None:
        """Send a message to all windows."""
        for window in self._windows:
            window.post(kind, text)
