"""Fixtures of the line inspector's tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperflow_runtime import open_bundle

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "samples/line_inspector"
SYSTEM_PYTHON = Path("/usr/bin/python3")  # Debian's, which has GStreamer's bindings
RTSP_PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
sys.path[:0] = [str(SAMPLE), str(Path(__file__).parent)]

from line_inspector_parts import COLOURS_RGB, Broker, Inspector, Receiver, Subscriber, write_pictures  # noqa: E402


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    started: list[Broker] = []

    def make(*settings: str) -> Broker:
        pytest.importorskip("paho.mqtt.client", reason="needs paho-mqtt")
        started.append(Broker(tmp_path, *settings))
        return started[-1]

    yield make
    for broker in started:
        broker.kill()


@pytest.fixture
def subscribe() -> Iterator[Callable[..., Subscriber]]:
    opened: list[Subscriber] = []

    def make(port: int, **login: str) -> Subscriber:
        opened.append(Subscriber(port, **login))
        return opened[-1]

    yield make
    for subscriber in opened:
        subscriber.close()


@pytest.fixture(scope="session")
def adaptation(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Knows red, green and blue; never written to."""
    folder = tmp_path_factory.mktemp("taught")
    with open_bundle(tiny_bundle, n_threads=1) as model:
        session = model.session(bake=False)
        for seed, label in enumerate(COLOURS_RGB):
            write_pictures(folder / label, label, 4, seed)
            session.add(label, [np.array(Image.open(file))[:, :, ::-1] for file in sorted((folder / label).iterdir())])
        session.adapt()
        session.save(folder / "line.adaptation")
    return folder / "line.adaptation"


@pytest.fixture
def inspect(tmp_path: Path, tiny_bundle: Path, adaptation: Path) -> Iterator[Callable[..., Inspector]]:
    """Start an inspector of the tiny bundle: `inspect(camera, *options, adaptation=..., VARIABLE=...)`."""
    started: list[Inspector] = []

    def start(camera: str, *options: object, taught: Path = adaptation, **more: str) -> Inspector:
        started.append(Inspector(tmp_path, tiny_bundle, taught, camera, *options, **more))
        return started[-1]

    yield start
    for inspector in started:
        inspector.close()


@pytest.fixture
def rtsp_server() -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Start a real RTSP server at a port, which listens when this returns."""
    if not SYSTEM_PYTHON.exists() or subprocess.run([SYSTEM_PYTHON, "-c", RTSP_PROBE], capture_output=True).returncode:
        pytest.skip("needs python3-gi and gir1.2-gst-rtsp-server-1.0")
    started: list[subprocess.Popen[str]] = []

    def start(port: int) -> subprocess.Popen[str]:
        command = [SYSTEM_PYTHON, ROOT / "scripts/rtsp_server.py", "--port", str(port)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline().startswith("ready")
        return started[-1]

    yield start
    for server in started:
        with server:
            server.kill()
