"""What a camera saw is written down, and replayed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def replace_by_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


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
        (lambda folder: os.truncate(folder / FRAMES_FILE, 2**29), "at most 268435456 are read"),
        (lambda folder: (folder / FRAMES_FILE).write_bytes(b"\n" * 1_000_001), "lists 1000001 frames"),
        (lambda folder: (folder / FRAMES_FILE).write_bytes(b"\x00\xff\n"), "no frame"),
        (lambda folder: (folder / HEADER_FILE).write_bytes(b"{}"), "no header"),
        (lambda folder: os.truncate(folder / HEADER_FILE, 2**20), "at most 65536 are read"),
        (lambda folder: replace_by_fifo(folder / HEADER_FILE), "no file of a recording"),
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


def test_a_picture_that_is_a_link_is_refused(recording: Path, tmp_path: Path) -> None:
    (recording / "000000.jpg").rename(tmp_path / "secret.jpg")
    (recording / "000000.jpg").symlink_to(tmp_path / "secret.jpg")

    with pytest.raises(HyperflowRuntimeError, match=r"000000\.jpg is a link"):
        opened(recording).read()


def test_a_closed_recorder_writes_nothing_more(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "recording")
    recorder.close()
    recorder.close()

    with pytest.raises(HyperflowRuntimeError, match="was closed"):
        recorder.write(captured(0))


@pytest.mark.parametrize("wrong", [{"quality": 0}, {"quality": 96}, {"max_bytes": 0}])
def test_an_impossible_recorder_makes_no_folder(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(HyperflowRuntimeError, match=r"quality must be 1\.\.95 and max_bytes above 0"):
        Recorder(tmp_path / "recording", **wrong)

    assert not (tmp_path / "recording").exists()


WRITE_UNTIL_THE_DISK_IS_FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.cameras.recording import Recorder
from hyperflow_runtime.errors import CameraError

resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # no file may be larger: the list is, sooner or later
with Recorder(Path(sys.argv[1])) as recorder:
    for index in range(1000):
        try:
            recorder.write(CapturedFrame(np.zeros((16, 16, 3), np.uint8), index, float(index), "mug"))
        except CameraError as error:
            print(recorder.n_frames, error)
            break
"""


def test_a_full_disk_leaves_a_whole_recording(
    tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    result = run_python(WRITE_UNTIL_THE_DISK_IS_FULL, tmp_path / "desk")

    assert result.returncode == 0, result.stderr
    n_frames, told = result.stdout.split(" ", 1)
    assert "those before are safe" in told
    assert len(lines(tmp_path / "desk")) == int(n_frames) > 10
    assert not list((tmp_path / "desk").glob(".partial-*"))
    source = opened(tmp_path / "desk")
    assert [source.read().label for _ in range(int(n_frames))] == ["mug"] * int(n_frames)


WRITE_FOR_EVER = """
import sys
from itertools import count
from pathlib import Path
import numpy as np
from hyperflow_runtime.cameras.captured import CapturedFrame
from hyperflow_runtime.cameras.recording import Recorder

with Recorder(Path(sys.argv[1])) as recorder:
    for index in count():
        recorder.write(CapturedFrame(np.zeros((16, 16, 3), np.uint8), index, float(index), "mug"))
        print(index, flush=True)
"""


def test_what_a_killed_process_recorded_can_be_replayed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path / "desk")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < 20:
            pass
        process.kill()

    source = opened(tmp_path / "desk")
    assert [source.read().label for _ in range(20)] == ["mug"] * 20


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=6))
def test_any_gaps_between_frames_come_back_within_what_a_camera_can_play(gaps: list[float]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        at_s = 5.0
        with Recorder(Path(folder, "recording")) as recorder:
            for index, gap in enumerate([0.0, *gaps]):
                at_s += gap
                recorder.write(CapturedFrame(np.zeros((8, 8, 3), np.uint8), index, at_s, None))
        source, replayed = opened(Path(folder, "recording")), []
        for _ in gaps:
            source.read()
            replayed.append(1 / source.nominal_fps)

    assert replayed == pytest.approx([min(max(gap, 1 / 240), 60.0) for gap in gaps], abs=3e-6)
