"""What the doctor says of OpenCV and cameras, which a user may not read, or which one package hides from another."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperflow_runtime.board.debian import debian_packages
from hyperflow_runtime.doctor.cameras import examine_cameras
from hyperflow_runtime.doctor.facts import OpenCvFacts
from hyperflow_runtime.doctor.finding import Finding
from hyperflow_runtime.doctor.opencv import examine_opencv
from hyperflow_runtime.doctor.probing import Probe

APT_CV = OpenCvFacts("4.5.4", "/usr/lib/python3/dist-packages/cv2.cpython-310-aarch64-linux-gnu.so", True)
PIP_CV = OpenCvFacts("4.11.0", "/home/me/.venv/lib/python3.10/site-packages/cv2/__init__.py", False)


def test_opencv_from_apt_is_fine(orin_nano: Path) -> None:
    found = examine_opencv(Probe(APT_CV), debian_packages(orin_nano), is_jetson=True)

    assert (found.status, found.value) == ("ok", f"4.5.4, with GStreamer; {APT_CV.location}")


def test_an_opencv_from_pip_that_hides_the_one_from_apt_is_named_so(orin_nano: Path) -> None:
    found = examine_opencv(Probe(PIP_CV), debian_packages(orin_nano), is_jetson=True)

    assert found.status == "problem"
    assert found.value.endswith("; it hides apt's python3-opencv 4.5.4+dfsg-9ubuntu4, which has GStreamer")
    assert "pip uninstall opencv-python" in str(found.advice)


def test_an_opencv_without_gstreamer_on_a_workstation_is_a_note() -> None:
    found = examine_opencv(Probe(PIP_CV), {}, is_jetson=False)

    assert found.status == "note"
    assert found.advice == "CSI and RTSP cameras need it: sudo apt install python3-opencv, and no opencv from pip"


@pytest.mark.parametrize(
    ("failure", "advice"),
    [
        ("libGL.so.1: cannot open shared object file: No such file or directory", "sudo apt install libgl1"),
        ("numpy.core.multiarray failed to import", "pip install 'numpy<2'"),
        ("ended by SIGSEGV: nothing said", "sudo apt install --reinstall python3-opencv"),
    ],
)
def test_an_opencv_that_does_not_load_is_repaired_by_its_reason(failure: str, advice: str) -> None:
    found = examine_opencv(Probe(failure=failure), {}, is_jetson=True)

    assert (found.status, found.value) == ("problem", f"does not load ({failure})")
    assert advice in str(found.advice)


def test_an_opencv_that_is_installed_but_not_seen_is_named_so(orin_nano: Path) -> None:
    missing = Probe[OpenCvFacts](failure="No module named 'cv2'", is_missing=True)

    assert "--system-site-packages" in str(examine_opencv(missing, debian_packages(orin_nano), is_jetson=True).advice)
    assert examine_opencv(missing, {}, is_jetson=True).value == "not installed"


def test_cameras_are_named(orin_nano: Path) -> None:
    first, second, service = examine_cameras(is_jetson=True, root=orin_nano)

    assert first == Finding("camera", "/dev/video0: HD Pro Webcam C920")
    assert second.value == "/dev/video1: HD Pro Webcam C920 (its stream number 1, often without pictures)"
    assert service.status == "ok"


@pytest.fixture
def as_nobody(orin_nano: Path) -> Iterator[Path]:
    """A copy of the Jetson's files whose cameras this user may not read; root becomes somebody else for the test."""
    if os.geteuid() != 0:
        for node in (orin_nano / "dev").iterdir():
            node.chmod(0)
        yield orin_nano
        return
    with tempfile.TemporaryDirectory() as open_to_all:
        Path(open_to_all).chmod(0o755)
        root = Path(shutil.copytree(orin_nano, Path(open_to_all) / "orin"))
        for node in (root / "dev").iterdir():
            node.chmod(0o600)
        os.seteuid(65534)
        try:
            yield root
        finally:
            os.seteuid(0)


def test_a_camera_that_this_user_may_not_read_is_a_problem(as_nobody: Path) -> None:
    first, second = examine_cameras(is_jetson=False, root=as_nobody)

    assert (first.status, second.status) == ("problem", "problem")
    assert first.value == "/dev/video0: HD Pro Webcam C920, not to be read by this user"
    assert "sudo usermod -aG video $USER" in str(first.advice)


def test_no_camera_is_a_note(tmp_path: Path) -> None:
    (only,) = examine_cameras(is_jetson=False, root=tmp_path)

    assert (only.value, only.status) == ("none", "note")
