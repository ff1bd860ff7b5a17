"""Where a soak's events go: a webhook and an MQTT broker, both of which fail at times."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from flaky_camera import free_port

__all__ = ["FlakyBroker", "FlakyWebhook", "can_serve_mqtt"]

_TOPIC = "soak/label"
_EVERY_NTH_FAILS = 7


def can_serve_mqtt() -> bool:
    """Return whether there is a mosquitto here."""
    return _mosquitto() is not None


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


class FlakyWebhook:
    """An HTTP receiver that refuses every seventh event, and all of them while `is_down`. A context manager.

    Attributes:
        url: To post to.
        ids: Of the events it has taken, in the order of their first arrival.
        n_received: Deliveries taken, repeated ones among them.
        n_refused: Deliveries refused.
        refuses_some: Whether every seventh is refused.
    """

    def __init__(self) -> None:
        """Listen at a free port."""
        self.ids: dict[str, None] = {}
        self.n_received, self.n_refused, self.is_down, self.refuses_some = 0, 0, False, True
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(204 if webhook._take(body) else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/events"
        self._thread = threading.Thread(target=self._server.serve_forever, name="webhook", daemon=True)

    def _take(self, body: bytes) -> bool:
        is_its_turn = (self.n_received + self.n_refused) % _EVERY_NTH_FAILS == 0
        if self.is_down or (self.refuses_some and is_its_turn):
            self.n_refused += 1
            return False
        self.n_received += 1
        self.ids.setdefault(json.loads(body)["id"])
        return True

    def __enter__(self) -> FlakyWebhook:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class FlakyBroker:
    """A real mosquitto that is killed and started again, and a listener to all events. A context manager.

    Attributes:
        uri: To publish to.
        ids: Of the events that the listener heard, in the order of their first arrival.
        n_received: Deliveries heard, repeated ones among them.
    """

    def __init__(self, folder: Path) -> None:
        """Prepare, with a free port.

        Args:
            folder: For its configuration, and for what waits for the listener: that survives a kill.
        """
        self._port = free_port()
        self.uri = f"mqtt://127.0.0.1:{self._port}/{_TOPIC}"
        self.ids: dict[str, None] = {}
        self.n_received = 0
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(
            f"listener {self._port} 127.0.0.1\nallow_anonymous true\nuser root\npersistence true\n"
            f"persistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: Any = None

    def start(self) -> None:
        """Start it; returns when it listens.

        Raises:
            RuntimeError: It does not start.
        """
        command = [str(_mosquitto()), "-c", str(self._configuration)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{' '.join(command)} does not listen")

    def stop(self) -> None:
        """Kill it, once it has saved what the listener subscribed to; nothing happens when it is not there."""
        if self._process is None:
            return
        before, give_up_s = self._saved(), time.monotonic() + 10
        self._process.send_signal(signal.SIGUSR1)  # save now: by itself it does so at its leisure
        while self._saved() == before and time.monotonic() < give_up_s:
            time.sleep(0.01)
        self._process.kill()
        self._process.wait()
        self._process = None

    def _saved(self) -> tuple[int, int] | None:
        file = self._configuration.with_name("mosquitto.db")
        return (file.stat().st_ino, file.stat().st_mtime_ns) if file.exists() else None

    def _hear(self, _client: Any, _data: Any, message: Any) -> None:
        if message.topic == _TOPIC:
            self.n_received += 1
            self.ids.setdefault(json.loads(message.payload)["id"])

    def __enter__(self) -> FlakyBroker:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        self.start()
        is_listening = threading.Event()
        self._listener = Client(CallbackAPIVersion.VERSION2, client_id="soak-listener", clean_session=False)
        self._listener.reconnect_delay_set(1, 2)
        self._listener.on_connect = lambda client, *_: client.subscribe(f"{_TOPIC}/#", qos=1)
        self._listener.on_subscribe = lambda *_: is_listening.set()
        self._listener.on_message = self._hear
        self._listener.connect("127.0.0.1", self._port)
        self._listener.loop_start()
        if not is_listening.wait(30):
            raise RuntimeError("mosquitto does not answer the listener")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.disconnect()
        self._listener.loop_stop()
        self.stop()
