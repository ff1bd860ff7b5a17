"""Video files through OpenCV: whole, looped, torn, empty, missing, and such that are no video."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperflow_runtime.cameras.opencv.file import FileSource
from hyperflow_runtime.cameras.opencv.library import has_support
from hyperflow_runtime.cameras.opencv.reading import Reading
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions
from hyperflow_runtime.cameras.source import EndOfSource
from hyperflow_runtime.errors import CameraError

pytest.importorskip("cv2")
BY_READER = CameraOptions(pace="reader")


def test_every_frame_of_a_file_comes_in_order(video: Path) -> None:
    with open_camera(f"file://{video}", BY_READER) as camera:
        frames = list(camera.frames())

    assert [frame.index for frame in frames] == list(range(30))
    for frame in frames:
        assert frame.image_bgr.shape == (48, 64, 3)
        assert abs(float(frame.image_bgr.mean()) - 8 * frame.index) < 6
        assert frame.label is None


def test_a_file_knows_its_rate_and_can_be_told_another(video: Path) -> None:
    own, told = FileSource(video, fps=None, loop=False), FileSource(video, fps=5.0, loop=False)
    for source in (own, told):
        source.open()
        source.close()

    assert own.nominal_fps == pytest.approx(50, abs=0.1)
    assert told.nominal_fps == 5.0


@pytest.mark.parametrize(("stated", "played"), [(300.0, 240.0), (0.0, 30.0), (float("nan"), 30.0), (25.0, 25.0)])
def test_every_file_has_a_rate_to_be_played_at(
    video: Path, monkeypatch: pytest.MonkeyPatch, stated: float, played: float
) -> None:
    monkeypatch.setattr(Reading, "get", lambda self, name: stated)
    source = FileSource(video, fps=None, loop=False)
    source.open()
    source.close()

    assert source.nominal_fps == played


def test_a_looped_file_begins_again_and_its_indices_grow(video: Path) -> None:
    brightness = {}
    with open_camera(f"{video}?loop=true&pace=reader") as camera:
        for frame in camera.frames():
            brightness[frame.index] = float(frame.image_bgr.mean())
            if frame.index == 65:
                break

    assert list(brightness) == list(range(66))
    assert abs(brightness[60] - brightness[0]) < 2
    assert abs(brightness[64] - brightness[34]) < 2


def test_a_source_that_is_over_can_be_opened_again(video: Path) -> None:
    source = FileSource(video, fps=None, loop=False)
    for _ in range(2):
        source.open()
        for _ in range(30):
            source.read()
        with pytest.raises(EndOfSource):
            source.read()
        source.close()
        source.close()
    with pytest.raises(CameraError, match="is not open"):
        source.read()


def test_a_torn_file_gives_the_frames_before_the_tear(video: Path) -> None:
    data = video.read_bytes()
    video.write_bytes(data[: len(data) * 3 // 4])
    with open_camera(str(video), BY_READER) as camera:
        n_frames = len(list(camera.frames()))

    assert 0 < n_frames < 30


def test_a_path_with_all_sorts_of_characters_is_a_path(video: Path) -> None:
    for name in (
        "a b.avi",
        "q\"uo'te ! filesink location=x.avi",
        "per%20cent.avi",
        "%03d.avi",
        "späť.avi",
        "a=b;c,d.avi",
    ):
        path = video.with_name(name)
        path.write_bytes(video.read_bytes())
        with open_camera(str(path), BY_READER) as camera:
            assert camera.read().image_bgr.shape == (48, 64, 3)
    assert sorted(path.name for path in video.parent.iterdir() if path.suffix != ".avi") == []


@pytest.mark.parametrize("contents", [b"no video at all" * 100, b"\0" * 4096, b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n"])
def test_what_is_no_video_says_so(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(contents)

    with pytest.raises(CameraError, match=r"x\.mp4 (is no video that this OpenCV reads, or it is torn|holds no)"):
        open_camera(str(path))


def test_a_text_with_pictures_beside_it_is_no_video(tmp_path: Path, video: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"x{number}.png"), cv2.VideoCapture(str(video)).read()[1])
    (tmp_path / "x9.txt").write_text("text")

    with pytest.raises(CameraError, match="is no video"):
        open_camera(str(tmp_path / "x9.txt"))


def test_an_empty_file_a_missing_one_and_a_folder_say_so(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()

    with pytest.raises(CameraError, match="is an empty file"):
        open_camera(str(tmp_path / "empty.mp4"))
    with pytest.raises(CameraError, match=r"missing\.mp4: no such video file"):
        open_camera(f"file://{tmp_path}/missing.mp4")
    with pytest.raises(CameraError, match="is no file; a folder of pictures is dir://"):
        FileSource(tmp_path, fps=None, loop=False).open()


def test_without_waiting_the_error_comes_with_the_first_frame(tmp_path: Path) -> None:
    with open_camera(f"file://{tmp_path}/missing.mp4", wait=False) as camera:
        with pytest.raises(CameraError, match="no such video file"):
            camera.read()

        assert camera.status.state == "failed"


def test_the_address_wins_over_the_options(video: Path) -> None:
    with open_camera(f"{video}?flip=rotate-90", CameraOptions(flip="vertical", pace="reader")) as camera:
        assert camera.read().image_bgr.shape == (64, 48, 3)


QUIET = """
import sys
from hyperflow_runtime.cameras.opencv.library import has_support
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.errors import CameraError

for uri in sys.argv[1:]:
    try:
        open_camera(uri)
    except CameraError as error:
        print("told:", error)
"""


def test_the_libraries_below_print_nothing_of_their_own(
    tmp_path: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (tmp_path / "x.mp4").write_bytes(b"no video" * 100)

    done = run_python(QUIET, tmp_path / "x.mp4", "rtsp://127.0.0.1:9/x", "/dev/video99")

    assert done.stdout.count("told:") == 3
    if not has_support("GStreamer"):  # OpenCV 4.6 at times drops a failed pipeline while it runs, which GLib reports
        assert done.stderr == ""


WITHOUT = """
import sys
sys.modules["cv2"] = None
from hyperflow_runtime.cameras.opencv.library import has_support
from hyperflow_runtime.cameras.opening import open_camera
open_camera(sys.argv[1])
"""


def test_without_opencv_the_error_tells_how_to_get_it(
    video: Path, run_python: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_python(WITHOUT, video)

    assert "CameraError: OpenCV does not load" in done.stderr
    assert "pip install opencv-python, or on a Jetson: sudo apt install python3-opencv" in done.stderr
