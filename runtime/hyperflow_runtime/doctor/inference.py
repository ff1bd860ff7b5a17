"""What can run a bundle's graphs: onnxruntime, TensorRT, TensorRT for RTX."""

from __future__ import annotations

from hyperflow_runtime.doctor.facts import LibraryFacts
from hyperflow_runtime.doctor.finding import Finding
from hyperflow_runtime.doctor.probing import Probe

__all__ = ["examine_onnxruntime", "examine_tensorrt", "examine_tensorrt_rtx"]


def examine_onnxruntime(probe: Probe[LibraryFacts]) -> Finding:
    """Judge onnxruntime, which the base installation brings."""
    if probe.facts is not None:
        providers = ", ".join(name.removesuffix("ExecutionProvider") for name in probe.facts.details)
        return Finding("onnxruntime", f"{probe.facts.version} runs; providers {providers}; {probe.facts.location}")
    if probe.is_missing:
        return Finding("onnxruntime", "not installed", "problem", "pip install onnxruntime")
    return Finding(
        "onnxruntime", f"does not run ({probe.failure})", "problem",
        "pip install --force-reinstall onnxruntime; if several of its variants are installed, keep one",
    )  # fmt: skip


def examine_tensorrt(
    probe: Probe[LibraryFacts], *, is_jetson: bool, hides_system_packages: bool, library_version: str | None
) -> Finding:
    """Judge TensorRT.

    Args:
        probe: Its loading.
        is_jetson: Whether it belongs here.
        hides_system_packages: Whether this environment leaves out what JetPack brings.
        library_version: Of its shared library, where that is on the system.
    """
    if probe.facts is not None:
        return Finding("TensorRT", f"{probe.facts.version}; {probe.facts.location}")
    if not probe.is_missing:
        return _broken("TensorRT", probe.failure)
    if not is_jetson:
        return Finding(
            "TensorRT", "not installed", "note",
            "needed for an NVIDIA GPU only; without it, bundles run in onnxruntime on the processor",
        )  # fmt: skip
    if hides_system_packages:
        advice = "make this environment anew: python3 -m venv --system-site-packages ENVIRONMENT"
    else:
        advice = "sudo apt install python3-libnvinfer, for the system's Python; other Pythons do not see it"
    there = "" if library_version is None else f", though its library {library_version} is on this system"
    return Finding("TensorRT", f"not to be seen from this Python{there}", "problem", advice)


def examine_tensorrt_rtx(probe: Probe[LibraryFacts], *, is_jetson: bool) -> Finding:
    """Judge TensorRT for RTX, which workstations may have in TensorRT's place."""
    if probe.facts is not None:
        return Finding("TensorRT for RTX", f"{probe.facts.version}; {probe.facts.location}")
    if not probe.is_missing:
        return _broken("TensorRT for RTX", probe.failure)
    if is_jetson:
        return Finding("TensorRT for RTX", "not installed, and not for a Jetson")
    return Finding(
        "TensorRT for RTX", "not installed", "note",
        "pip install 'hyperflow[rtx]' to build engines ahead of time, also without a GPU",
    )  # fmt: skip


def _broken(name: str, failure: str) -> Finding:
    """A library that is there and does not load; the adapter's error ends with the next move."""
    what, _, advice = failure.rpartition("; ")
    return Finding(name, what or failure, "problem", advice if what else "install it again")
