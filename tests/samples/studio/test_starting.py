"""The command: what it says, what it refuses, and how it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from running_studio import DEADLINE_S, RunningStudio

SCRIPT = Path(__file__).resolve().parents[3] / "samples/studio/studio.py"
RunStudio = Callable[..., tuple[int, str]]
StartStudio = Callable[..., RunningStudio]


def test_help_shows_an_example_and_imports_nothing_heavy() -> None:
    probe = (
        "import sys, runpy; sys.argv = ['studio.py', '--help']\n"
        "try: runpy.run_path(sys.argv_path, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'onnxruntime', 'starlette', 'uvicorn') if name in sys.modules])"
    ).replace("sys.argv_path", repr(str(SCRIPT)))
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=DEADLINE_S)

    assert "python samples/studio/studio.py --camera synthetic://" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


@pytest.mark.parametrize(
    ("camera", "text"),
    [
        ("webcam://0", "no camera is addressed as"),
        ("synthetic://?fps=fast", "fps"),
        ("rtsp://", "rtsp"),
        ("synthetic://?colour=red", "colour"),
        ("", "address"),
        ("csi://x", "csi"),
    ],
)
def test_a_wrong_camera_ends_the_start_with_a_reason(run_studio: RunStudio, camera: str, text: str) -> None:
    status, output = run_studio("--camera", camera)

    assert status == 1
    assert "Error: " in output
    assert text in output
    assert "Traceback" not in output


@pytest.mark.parametrize("option", [("--width", 3), ("--height", 100_000), ("--fps", 0)])
def test_a_setting_out_of_range_ends_the_start(run_studio: RunStudio, option: tuple[str, int]) -> None:
    status, output = run_studio(*option)

    assert status == 1
    assert f"{option[0][2:]} must be" in output


def test_a_missing_bundle_ends_the_start(run_studio: RunStudio, tmp_path: Path) -> None:
    status, output = run_studio("--bundle", tmp_path / "none.hyperflow")

    assert status == 1
    assert "none.hyperflow; make studio and make demo export one" in output
    assert "Traceback" not in output


def test_a_folder_that_cannot_be_made_ends_the_start(run_studio: RunStudio, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    status, output = run_studio("--data", tmp_path / "file/studio")

    assert status == 1
    assert "name another with --data" in output


def test_a_port_that_is_taken_ends_the_start_with_advice(run_studio: RunStudio) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, output = run_studio("--port", taken.getsockname()[1])

    assert status == 1
    assert "another with --port, 0 for any that is free" in output


def test_a_host_that_is_not_this_machines_ends_the_start(run_studio: RunStudio) -> None:
    assert run_studio("--host", "192.0.2.1")[0] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_it_in_good_order_with_windows_open(start_studio: StartStudio, number: int) -> None:
    from websockets.sync.client import connect

    studio = start_studio()
    with connect(studio.url.replace("http", "ws") + "/api/live") as window:
        window.recv(DEADLINE_S)
        window.send('{"type":"ready"}')
        started_s = time.monotonic()
        status = studio.stop(number)

    assert status == 0, "\n".join(studio.lines)
    assert time.monotonic() - started_s < 30
    studio._reader.join()
    assert studio.lines[-1] == "Stopped."
    assert not any("Error" in line or "Traceback" in line for line in studio.lines), "\n".join(studio.lines)


@pytest.mark.parametrize("camera", ["/dev/video97", "rtsp://127.0.0.1:9/stream", "csi://0"])
def test_a_camera_that_is_absent_is_told_in_the_page_and_the_studio_works_without(
    start_studio: StartStudio, camera: str
) -> None:
    studio = start_studio(camera=camera)
    with studio.client() as client:
        class_id = client.post("/api/classes", json={"name": "mug"}).json()["id"]
        deadline_s = time.monotonic() + DEADLINE_S
        while not (camera_state := client.get("/api/state").json()["camera"])["last_error"]:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        answer = client.post(f"/api/classes/{class_id}/capture")
        stage = client.get("/api/stage")

    assert camera_state["state"] in ("connecting", "failed")
    if camera.startswith("csi"):
        assert "GStreamer" in camera_state["last_error"] or "Argus" in camera_state["last_error"]
    assert answer.status_code == 503
    assert camera_state["last_error"] in answer.json()["detail"]
    assert stage.status_code == 404


def test_a_file_as_camera_that_is_over_can_still_be_captured_from(start_studio: StartStudio, tmp_path: Path) -> None:
    from PIL import Image

    for number in range(3):
        Image.new("RGB", (64, 48), (200, 60 * number, 30)).save(tmp_path / f"{number}.png")
    studio = start_studio(camera=f"dir://{tmp_path}?fps=50")
    with studio.client() as client:
        class_id = client.post("/api/classes", json={"name": "mug"}).json()["id"]
        deadline_s = time.monotonic() + DEADLINE_S
        while client.get("/api/state").json()["camera"]["state"] != "ended":
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        answer = client.post(f"/api/classes/{class_id}/capture")

    assert answer.status_code == 201


def test_the_page_and_the_api_page_ask_nothing_of_other_hosts(client: httpx.Client) -> None:
    for path in ("/", "/api"):
        page = client.get(path)
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert "//" not in page.text.replace("http://127.0.0.1:8040", "").replace("http://www.w3.org/2000/svg", "")
