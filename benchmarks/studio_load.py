"""What browsers and programs ask of a studio, over and over: for the soak."""

from __future__ import annotations

import io
import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, TypeVar

import httpx
import numpy as np
from PIL import Image
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

__all__ = ["Failures", "User", "Window", "crowd"]

_PATIENCE_S = 30.0
_HEADERS = {"X-HyperFlow-Studio": "1"}
_PAUSE_S = 0.2
_MOST_SHOTS = 20
_KEPT = 50


class Failures:
    """What went wrong unexpectedly, from any thread; the first ones are kept in words."""

    def __init__(self) -> None:
        """Start with none."""
        self._lock = threading.Lock()
        self.count = 0
        self.first: list[str] = []

    def add(self, text: str) -> None:
        """Take one down."""
        with self._lock:
            self.count += 1
            if len(self.first) < _KEPT:
                self.first.append(text)


_W = TypeVar("_W", bound="_Worker")


class _Worker:
    """A thread that repeats something until the context ends; anything it raises is a failure."""

    def __init__(self, failures: Failures, name: str) -> None:
        self._failures = failures
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self: _W) -> _W:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._work()
            except (httpx.HTTPError, WebSocketException, OSError, ValueError, KeyError) as error:
                self._failures.add(f"{self._thread.name}: {error!r:.300}")
                self._closing.wait(1.0)

    def _work(self) -> None:
        raise NotImplementedError


class Window(_Worker):
    """A browser's window: asks for a picture when it has drawn the last one.

    Attributes:
        n_pictures: How many it got.
    """

    def __init__(self, url: str, failures: Failures, number: int) -> None:
        """Wait for the context.

        Args:
            url: "http://host:port", without a slash at the end.
            failures: Told of everything that goes wrong.
            number: Of the window; every other one compares and shows the map.
        """
        super().__init__(failures, f"window {number}")
        self._url = url.replace("http", "ws", 1) + "/api/live"
        self._view = {"type": "view", "compare": number % 2 == 0, "map": number % 2 == 0}
        self.n_pictures = 0

    def _work(self) -> None:
        with connect(self._url, open_timeout=_PATIENCE_S, close_timeout=2) as socket:
            socket.send(json.dumps(self._view))
            socket.send('{"type":"ready"}')
            while not self._closing.is_set():
                self._take(socket)

    def _take(self, socket: ClientConnection) -> None:
        try:
            received = socket.recv(0.5)
        except TimeoutError:
            return  # no picture: the camera may be gone
        if isinstance(received, bytes):
            if not received.startswith(b"\xff\xd8"):
                self._failures.add(f"{self._thread.name}: {len(received)} bytes that are no JPEG")
            self.n_pictures += 1
            socket.send('{"type":"ready"}')


class User(_Worker):
    """Teaches, changes its mind, undoes, saves and loads, without end; several of them get in each other's way.

    Attributes:
        answers: How many answers of each status came.
    """

    def __init__(self, url: str, failures: Failures, number: int) -> None:
        """Wait for the context.

        Args:
            url: See `Window`.
            failures: Told of everything that goes wrong.
            number: Of the user, and of its sequence of random choices.
        """
        super().__init__(failures, f"user {number}")
        self._random = random.Random(number)
        self._names = (f"thing {number}-{index}" for index in itertools.count())
        self._client = httpx.Client(base_url=url, headers=_HEADERS, timeout=_PATIENCE_S)
        self.answers: Counter[int] = Counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._client.close()

    def _work(self) -> None:
        state = self._ask("GET", "/api/state").json()
        n_shots = sum(len(known["shots"]) for known in state["classes"])
        if len(state["classes"]) < 2:
            self._ask("POST", "/api/classes", json={"name": next(self._names)})
        elif n_shots > min(_MOST_SHOTS, state["limits"]["max_support"] - 2):
            self._ask("POST", "/api/clear")
        else:
            self._random.choice(self._deeds)(self, self._random.choice(state["classes"]))
        self._closing.wait(_PAUSE_S)

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send a request. Others may be quicker (404, 409), the camera gone (503), or the queue full (429)."""
        answer = self._client.request(method, path, **more)
        self.answers[answer.status_code] += 1
        if answer.status_code >= 400 and answer.status_code not in (404, 409, 429, 503):
            self._failures.add(f"{self._thread.name}: {method} {path}: {answer.status_code} {answer.text:.200}")
        return answer

    def _create(self, known: dict[str, Any]) -> None:
        self._ask("POST", "/api/classes", json={"name": next(self._names)})

    def _rename(self, known: dict[str, Any]) -> None:
        self._ask("PATCH", f"/api/classes/{known['id']}", json={"name": next(self._names)})

    def _record(self, known: dict[str, Any]) -> None:
        for _ in range(4):
            self._ask("POST", f"/api/classes/{known['id']}/capture")
            time.sleep(_PAUSE_S)

    def _upload(self, known: dict[str, Any]) -> None:
        self._ask("POST", f"/api/classes/{known['id']}/shots", content=_photo(self._random.randrange(2**31)))

    def _delete_shot(self, known: dict[str, Any]) -> None:
        for shot in known["shots"][:1]:
            self._ask("GET", f"/api/shots/{shot['id']}/image")
            self._ask("DELETE", f"/api/shots/{shot['id']}")

    def _delete(self, known: dict[str, Any]) -> None:
        self._ask("DELETE", f"/api/classes/{known['id']}")

    def _undo(self, known: dict[str, Any]) -> None:
        self._ask("POST", "/api/undo")

    def _save(self, known: dict[str, Any]) -> None:
        self._ask("POST", "/api/adaptations", json={"name": self._thread.name, "overwrite": True})
        self._ask("GET", "/api/adaptations")

    def _load(self, known: dict[str, Any]) -> None:
        self._ask("POST", f"/api/adaptations/{self._thread.name}/load")

    def _look_at_map(self, known: dict[str, Any]) -> None:
        self._ask("GET", "/api/map")

    _deeds: tuple[Callable[[User, dict[str, Any]], None], ...] = (
        _record, _record, _record, _upload, _upload, _create, _rename, _delete_shot, _delete, _undo, _undo, _save,
        _load, _look_at_map,
    )  # fmt: skip


def crowd(url: str, failures: Failures, *, n_users: int, seconds: float) -> None:
    """Have many users at once for a while, and clear what they taught.

    Args:
        url: See `Window`.
        failures: Told of everything that goes wrong.
        n_users: How many.
        seconds: For how long.
    """
    with ExitStack() as stack:
        for number in range(n_users):
            stack.enter_context(User(url, failures, 1000 + number))
        time.sleep(seconds)
    with httpx.Client(base_url=url, headers=_HEADERS, timeout=_PATIENCE_S) as client:
        client.post("/api/clear").raise_for_status()


def _photo(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((640, 480)).save(buffer, "JPEG")
    return buffer.getvalue()
