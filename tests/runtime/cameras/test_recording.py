"""What a camera saw is written down, and replayed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hyperflow_runtime import HyperflowRuntimeError
from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.recorded import RecordedSource
from hyperflow_runtime.cameras.recording import FRAMES_FILE, HEADER_FILE, Recorder
from hyperflow_runtime.cameras.source import EndOfSource

TIMES = (100.0, 100.1, 100.15, 101.0)
NAN_LINE = '{"file":"000000.jpg","at_s":NaN,"label":null}\n'
LABELS = ("mug", "mug", "", None)


def captured(index: int) -> CapturedFrame:
    return CapturedFrame(np.full((24, 32, 3), 40 * index, np.uint8), index, TIMES[index], LABELS[index])


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    with Recorder(tmp_path / "recording") as recorder:
        for index in range(4):
            assert recorder.write(captured(index))
    return tmp_path / "recording"


def opened(folder: Path, *, loop: bool = False) -> RecordedSource:
    source = RecordedSource(folder, loop=loop)
    source.open()
    return source


def test_frames_labels_and_gaps_come_back(recording: Path) -> None:
    source, gaps = opened(recording), []
    for index in range(4):
        frame = source.read()
        gaps.append(1 / source.nominal_fps)
        assert frame.label == LABELS[index]
        assert abs(int(frame.image_bgr.mean()) - 40 * index) <= 2

    assert gaps[:3] == pytest.approx([0.1, 0.05, 0.85])
    with pytest.raises(EndOfSource):
        source.read()


def test_a_loop_starts_again(recording: Path) -> None:
    source = opened(recording, loop=True)

    assert [source.read().label for _ in range(6)] == [*LABELS, "mug", "mug"]


def test_a_camera_replays_a_recording_of_a_rendered_scene(tmp_path: Path) -> None:
    options = CameraOptions(pace="reader")
    with open_camera("synthetic://desk?things=mug", options) as camera, Recorder(tmp_path / "desk") as recorder:
        for frame in camera.frames():
            recorder.write(frame)
            if recorder.n_frames == 5:
                break
    with open_camera(f"recorded://{tmp_path / 'desk'}", options) as camera:
        replayed = list(camera.frames())

    assert [frame.label for frame in replayed] == ["mug"] * 5
    assert all(frame.image_bgr.shape == (480, 640, 3) for frame in replayed)


def test_a_full_recording_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    with Recorder(tmp_path / "small", max_bytes=1500) as recorder:
        written = [recorder.write(captured(index)) for index in range(4)]

    assert written[0] is True
    assert written[-1] is False
    assert recorder.n_bytes <= 1500
    assert opened(tmp_path / "small").read().label == "mug"


def test_a_recording_never_mixes_with_other_files(recording: Path) -> None:
    with pytest.raises(HyperflowRuntimeError, match="not empty"):
        Recorder(recording)


def test_a_line_that_a_crash_cut_off_is_left_out(recording: Path) -> None:
    file = recording / FRAMES_FILE
    file.write_bytes(file.read_bytes()[:-7])
    source = opened(recording)

    assert [source.read().label for _ in range(3)] == list(LABELS[:3])
    with pytest.raises(EndOfSource):
        source.read()


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / FRAMES_FILE).read_text().splitlines()]


def spoil(change: Callable[[list[dict[str, object]]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        edited = lines(folder)
        change(edited)
        (folder / FRAMES_FILE).write_text("".join(json.dumps(line) + "\n" for line in edited))

    return apply


@pytest.mark.parametrize(
    ("spoiled", "told"),
    [
        (spoil(lambda frames: frames[1].update(file="../../etc/passwd")), "not a picture like 000000.jpg"),
        (spoil(lambda frames: frames[1].update(file="/etc/passwd")), "not a picture like 000000.jpg"),
        (spoil(lambda frames: frames[2].update(at_s=0.01)), "times must not go back"),
        (spoil(lambda frames: frames[0].update(at_s=-1)), "times must not go back"),
        (spoil(lambda frames: frames[0].update(label=7)), "no frame of a recording"),
        (spoil(lambda frames: frames[0].update(more=7)), "no frame of a recording"),
        (spoil(lambda frames: frames.clear()), "lists no frames"),
        (lambda folder: (folder / FRAMES_FILE).write_text(NAN_LINE), "no frame"),
        (lambda folder: (folder / HEADER_FILE).write_text('{"schema": 2, "created_by": ""}'), "no header"),
        (lambda folder: (folder / HEADER_FILE).unlink(), "no recording in"),
        (lambda folder: (folder / FRAMES_FILE).unlink(), "cannot be read"),
        (lambda folder: os.truncate(folder / FRAMES_FILE, 0), "lists no frames"),
    ],
)  # fmt: skip
def test_a_hostile_or_torn_recording_is_refused(recording: Path, spoiled: Callable[[Path], object], told: str) -> None:
    spoiled(recording)

    with pytest.raises(HyperflowRuntimeError, match=told):
        opened(recording)


def test_a_picture_that_went_is_told_by_name(recording: Path) -> None:
    (recording / "000001.jpg").unlink()
    source = opened(recording)
    source.read()

    with pytest.raises(HyperflowRuntimeError, match=r"is torn: .*000001\.jpg"):
        source.read()
