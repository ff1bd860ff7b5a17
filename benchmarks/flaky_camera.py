"""An RTSP camera that is killed and started again, always at the same address."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from types import TracebackType

__all__ = ["FlakyCamera", "can_serve_rtsp", "free_port"]

_SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's, which has GStreamer's bindings
_SERVER = Path(__file__).resolve().parents[1] / "scripts/rtsp_server.py"
_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def can_serve_rtsp() -> bool:
    """Return whether Debian's Python has what `scripts/rtsp_server.py` needs."""
    if not Path(_SYSTEM_PYTHON).exists():
        return False
    return subprocess.run([_SYSTEM_PYTHON, "-c", _PROBE], capture_output=True, check=False).returncode == 0


def free_port() -> int:
    """Return a port of this machine that nobody listens at, for now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FlakyCamera:
    """A real RTSP server in a process of its own. A context manager, which starts and stops it.

    Attributes:
        uri: Of its stream, the same after every start.
    """

    def __init__(self, port: int | None = None, *, video: Path | None = None) -> None:
        """Choose the port, and wait for `start`.

        Args:
            port: None for one that is free.
            video: What it shows, from its beginning after every start; None for a test pattern.
        """
        self._shown = [] if video is None else ["--file", str(video)]
        self._port = free_port() if port is None else port
        self.uri = f"rtsp://127.0.0.1:{self._port}/stream"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; returns when it listens.

        Raises:
            RuntimeError: It does not start.
        """
        command = [_SYSTEM_PYTHON, str(_SERVER), "--port", str(self._port), *self._shown]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("ready"):
            self.stop()
            raise RuntimeError(f"{' '.join(command)} did not start; it printed {line!r}")

    def stop(self) -> None:
        """Kill it, as abruptly as a power cut; nothing happens when it is not there."""
        if self._process is not None:
            with self._process:
                self._process.kill()
            self._process = None

    def __enter__(self) -> FlakyCamera:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
