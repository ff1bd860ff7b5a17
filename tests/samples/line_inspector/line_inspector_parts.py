"""What the line inspector is tested against: a receiver and a broker that fail on demand, and pictures."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[3] / "samples/line_inspector/inspect_line.py"
COLOURS_RGB = {"red": (210, 40, 40), "green": (60, 200, 50), "blue": (40, 70, 220)}  # what is taught
UNKNOWN_RGB = {"magenta": (220, 30, 220)}
PATIENCE_S = 30.0


def wait_until(is_so: Callable[[], object], what: str, *, timeout_s: float = PATIENCE_S) -> None:
    """Return when something holds; fail when it does not in time."""
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline_s, f"waited {timeout_s} s for: {what}"
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Receiver:
    """An HTTP receiver on a port of its own. `answer` decides the status of each request; None hangs up."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []  # that were answered with 2xx
        self.n_requests = 0
        self.answer: Callable[[bytes], int | None] = lambda body: 204
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.n_requests += 1
                status = receiver.answer(body)
                if status is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if 200 <= status < 300:
                    receiver.requests.append((dict(self.headers), body))
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._scheme = "http" if context is None else "https"
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/events?key=very-secret"

    @property
    def bodies(self) -> list[bytes]:
        return [body for _, body in self.requests]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Broker:
    """A mosquitto of its own, on a free port, that can be killed and started again."""

    def __init__(self, folder: Path, *settings: str) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", "user root", "persistence true", f"persistence_location {folder}/"]
        lines += ["autosave_on_changes true", "autosave_interval 1", *(settings or ["allow_anonymous true"])]
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [mosquitto(), "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, "mosquitto to listen")

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def kill(self) -> None:
        """Kill it; what its clients subscribed to, and what waits for them, is on disk."""
        if self._process is not None:
            before = self._saved()
            self._process.send_signal(signal.SIGUSR1)  # save now: by itself it does so at its leisure
            wait_until(lambda: self._saved() != before, "mosquitto to save its state")
            self._process.kill()
            self._process.wait()
            self._process = None

    def _saved(self) -> tuple[int, int] | None:
        file = self._config.with_name("mosquitto.db")
        return (file.stat().st_ino, file.stat().st_mtime_ns) if file.exists() else None


def mosquitto() -> str:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("needs mosquitto on the PATH: apt install mosquitto")
    return found


class Subscriber:
    """Hears everything at a broker, and goes on after the broker was away."""

    def __init__(self, port: int, *, user: str | None = None, password: str | None = None) -> None:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.heard: list[tuple[str, bytes]] = []
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="listener", clean_session=False)
        self._subscribed = threading.Event()
        if user:
            self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_disconnect = lambda *_: self._subscribed.clear()
        self._client.on_message = lambda _client, _data, message: self.heard.append((message.topic, message.payload))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self.wait()

    def wait(self) -> None:
        """Return when it hears what is published from now on."""
        assert self._subscribed.wait(PATIENCE_S)

    def on(self, topic: str) -> list[bytes]:
        return [body for heard, body in list(self.heard) if heard == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def write_pictures(folder: Path, label: str, n: int, seed: int) -> None:
    """Noisy pictures of one colour."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(n):
        pixels = np.array((COLOURS_RGB | UNKNOWN_RGB)[label]) + rng.normal(0, 12, (48, 64, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number:03d}.png")


def write_line(folder: Path, *labels: str, n_each: int = 20) -> Path:
    """A folder of pictures that shows one label after the other; play it at 20 a second for a second each."""
    for place, label in enumerate(labels):
        write_pictures(folder / f"{place:02d}-{label}", label, n_each, seed=100 + place)
    flat = folder / "line"
    flat.mkdir()
    for file in sorted(folder.glob("*-*/*.png")):
        file.rename(flat / f"{file.parent.name}-{file.name}")
    return flat


class Inspector:
    """The inspector in a process of its own; what it prints and writes is read on the way."""

    def __init__(
        self, folder: Path, bundle: Path, adaptation: Path, camera: str, *options: object, **more: str
    ) -> None:
        """Start it; `more` are further environment variables."""
        self.file = folder / "events.jsonl"
        self._stderr = (folder / f"stderr-{time.monotonic_ns()}.txt").open("w+")
        command = [sys.executable, "-W", "error", str(SCRIPT), "--camera", camera, "--adaptation", str(adaptation)]
        command += ["--bundle", str(bundle), "--events", str(self.file), "--threads", "1", "--hold-ms", "100"]
        command += ["--station", "test", "--quiet", *map(str, options)]
        environment = {**os.environ, **more}
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=self._stderr, env=environment, cwd=folder
        )

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events in its file so far, each once, however often it was written."""
        lines = self.file.read_bytes().splitlines(keepends=True) if self.file.exists() else []
        events = [json.loads(line) for line in lines if line.endswith(b"\n")]
        return list({event["id"]: event for event in events}.values())

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]

    @property
    def messages(self) -> str:
        self._stderr.flush()
        return Path(self._stderr.name).read_text()

    def wait_for(self, kind: str, n: int = 1) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.of(kind)) >= n or self.process.poll() is not None, f"{n} events {kind!r}")
        found = self.of(kind)
        assert len(found) >= n, f"it ended; {self.messages}"
        return found

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(PATIENCE_S)
        return status

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._stderr.close()


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that nobody has signed but its owner, for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl on the PATH")
    made, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*command, "-out", str(made), "-keyout", str(key)], check=True, capture_output=True)
    return made, key
