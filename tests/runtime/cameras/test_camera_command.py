"""`hyperflow-runtime camera`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from hyperflow_runtime.cameras import recording
from hyperflow_runtime.cameras.listing import ListedCamera
from hyperflow_runtime.commands.main import main

SCENE = "synthetic://?fps=30&width=96&height=64"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["camera", *map(str, arguments)])


def test_a_camera_is_tried_and_its_newest_frame_kept(tmp_path: Path) -> None:
    picture = tmp_path / "desk.png"
    done = run(SCENE, "--seconds", 0.3, "--snapshot", picture)

    assert done.exit_code == 0, done.output
    assert "live: 96 x 64 px" in done.stdout
    assert f"newest frame in {picture}" in done.stdout
    assert np.asarray(Image.open(picture)).shape == (64, 96, 3)
    assert list(tmp_path.iterdir()) == [picture]


def test_json_is_all_that_is_printed_where_asked() -> None:
    done = run(SCENE, "--seconds", 0.2, "--json", "--flip", "rotate-90")
    told = json.loads(done.output)

    assert (done.exit_code, told["state"], told["width"], told["height"]) == (0, "live", 64, 96)
    assert told["n_captured"] >= 1
    assert told["first_frame_ms"] > 0
    assert told["snapshot"] is None


def test_a_file_ends_before_the_time_is_over(video: Path) -> None:
    done = run(video, "--seconds", 60)

    assert done.exit_code == 0
    assert "ended: 64 x 48 px" in done.stdout
    assert "30 frames" in done.stdout


def test_what_was_recorded_is_replayed(tmp_path: Path, video: Path) -> None:
    folder = tmp_path / "kept"
    done = run(f"{video}?pace=reader", "--record", folder, "--seconds", 60)
    again = run(f"recorded://{folder}?pace=reader", "--json", "--seconds", 60)

    assert (done.exit_code, again.exit_code) == (0, 0)
    assert f"30 frames in {folder}, to be replayed as recorded://{folder}" in done.stdout
    assert (json.loads(again.output)["state"], json.loads(again.output)["n_captured"]) == ("ended", 30)
    assert run(SCENE, "--record", folder).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["/dev/video250"], 1, "Error: /dev/video250 is not there"),
        (["cis://0"], 1, "did you mean csi?"),
        ([SCENE, "--width", "3"], 2, "3 is not in the range"),
        ([SCENE, "--snapshot", "x.gif"], 2, "expected a name that ends in .jpg, .jpeg, .png, got 'x.gif'"),
        ([SCENE, "--seconds", "0", "--snapshot", "/no/such/folder/x.jpg"], 1, "/no/such/folder"),
        (["rtsp://me:geheim@127.0.0.1:9/x"], 1, "127.0.0.1:9 refuses connections"),
    ],
)
def test_a_failure_is_one_message_and_an_exit_code(arguments: list[str], exit_code: int, message: str) -> None:
    pytest.importorskip("cv2")
    done = run(*arguments)

    assert done.exit_code == exit_code, done.output
    assert isinstance(done.exception, SystemExit)
    assert message in done.stderr
    assert "geheim" not in done.output


def test_cameras_are_listed_with_their_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = (
        ListedCamera("csi://0", "/dev/video0", "vi-output, imx219 9-0010", 0, True),
        ListedCamera("/dev/video1", "/dev/video1", "HD Pro", 1, False),
    )
    monkeypatch.setattr("hyperflow_runtime.cameras.listing.list_cameras", lambda: cameras)
    first, second = run().stdout.splitlines()

    assert first.split(None, 1) == ["csi://0", "vi-output, imx219 9-0010"]
    assert second.startswith("/dev/video1     HD Pro  (stream number 1, often without pictures)  (not to be read by")
    assert [camera["uri"] for camera in json.loads(run("--json").stdout)] == ["csi://0", "/dev/video1"]


def test_without_cameras_the_list_says_what_else_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperflow_runtime.cameras.listing.list_cameras", tuple)

    assert "no camera here; without one: synthetic://" in run().stdout


def test_a_recording_that_is_full_ends_early_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_FRAMES", 3)

    done = run(SCENE, "--record", tmp_path / "short", "--seconds", 60)

    assert done.exit_code == 0
    assert "the recording is full after 3 frames; start another one for more" in done.output
