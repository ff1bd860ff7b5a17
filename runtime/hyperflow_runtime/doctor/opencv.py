"""OpenCV, through which cameras are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hyperflow_runtime.doctor.facts import OpenCvFacts
from hyperflow_runtime.doctor.finding import Finding
from hyperflow_runtime.doctor.probing import Probe

__all__ = ["examine_opencv"]

_FROM_APT = "/usr/lib/python3/dist-packages"


def examine_opencv(probe: Probe[OpenCvFacts], packages: Mapping[str, str], *, is_jetson: bool) -> Finding:
    """Judge OpenCV.

    Args:
        probe: Its loading.
        packages: Versions of the installed Debian packages.
        is_jetson: Whether CSI cameras are to be expected, which need GStreamer.
    """
    facts, apt_version = probe.facts, packages.get("python3-opencv")
    if facts is None:
        return _absent(probe, apt_version)
    value = f"{facts.version}, {'with' if facts.has_gstreamer else 'without'} GStreamer; {facts.location}"
    if facts.has_gstreamer:
        return Finding("OpenCV", value)
    if apt_version is not None and not facts.location.startswith(_FROM_APT):
        return Finding(
            "OpenCV", f"{value}; it hides apt's python3-opencv {apt_version}, which has GStreamer",
            "problem" if is_jetson else "note",
            "pip's opencv has no GStreamer: pip uninstall opencv-python opencv-python-headless "
            f"opencv-contrib-python opencv-contrib-python-headless, and {Path(facts.location).parent} is gone",
        )  # fmt: skip
    advice = "CSI and RTSP cameras need it: sudo apt install python3-opencv, and no opencv from pip"
    return Finding("OpenCV", value, "problem" if is_jetson else "note", advice)


def _absent(probe: Probe[OpenCvFacts], apt_version: str | None) -> Finding:
    if probe.is_missing and apt_version is None:
        advice = "needed for cameras only: sudo apt install python3-opencv"
        return Finding("OpenCV", "not installed", "note", advice)
    if probe.is_missing:
        advice = "make this environment anew: python3 -m venv --system-site-packages ENVIRONMENT"
        return Finding("OpenCV", f"apt's {apt_version} is not to be seen from this Python", "note", advice)
    return Finding("OpenCV", f"does not load ({probe.failure})", "problem", _repair(probe.failure))


def _repair(failure: str) -> str:
    if "libGL" in failure:
        return "sudo apt install libgl1, or on a machine without a screen: pip install opencv-python-headless"
    if "multiarray" in failure or "_ARRAY_API" in failure or "NumPy" in failure:
        return "it was built for numpy 1, which apt's OpenCV on JetPack 6 is: pip install 'numpy<2'"
    return "install it again: sudo apt install --reinstall python3-opencv"
