"""A studio in a process of its own, and what tests need to talk to it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import httpx

OWN_HEADER = {"X-HyperFlow-Studio": "1"}
DEADLINE_S = 60.0


@dataclass
class RunningStudio:
    """A studio that was started, and ends with the context.

    Attributes:
        command: As given.
        environment: Added to that of the tests.
        url: "http://127.0.0.1:PORT", without a slash at the end.
        token: That it printed; None without one.
        data: Folder of its adaptations.
        lines: What it printed.
    """

    command: list[str]
    environment: dict[str, str]
    data: Path
    url: str = ""
    token: str | None = None
    lines: list[str] = field(default_factory=list)

    def __enter__(self) -> RunningStudio:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
        )  # fmt: skip
        self._opened = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        if not self._opened.wait(DEADLINE_S) or not self.url:
            self.__exit__(None, None, None)
            raise AssertionError("the studio did not start:\n" + "\n".join(self.lines))
        return self

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line.rstrip())
            found = re.match(r"Open (http://\S+:\d+)/(?:\?token=(\S+))?$", line)
            if found:
                self.url, self.token = f"http://127.0.0.1:{urlsplit(found[1]).port}", found[2]
                self._opened.set()
        self._opened.set()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, and return the exit status; -9 when it had to be killed."""
        self.process.send_signal(number)
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.process:
            self.stop()
            self._reader.join()

    def empty(self) -> None:
        """Forget all classes and saved adaptations, and show the scene's things in turn."""
        with self.client() as client:
            client.post("/api/clear").raise_for_status()
            client.post("/api/stage", json={"in_turn": True}).raise_for_status()
            for saved in client.get("/api/adaptations").json():
                client.delete(f"/api/adaptations/{saved['name']}").raise_for_status()

    def client(self, *, with_token: bool = True, **headers: str) -> httpx.Client:
        """Return a client that sends what the page sends."""
        known = {"Authorization": f"Bearer {self.token}"} if self.token and with_token else {}
        return httpx.Client(base_url=self.url, headers={**OWN_HEADER, **known, **headers}, timeout=DEADLINE_S)
