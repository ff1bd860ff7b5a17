"""CUDA: driver, toolkit, pycuda, devices, and the libraries around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hyperflow_runtime.board.reading import read_text
from hyperflow_runtime.board.tool import find_tool, run_command
from hyperflow_runtime.doctor.facts import CudaDeviceFacts, CudaFacts, DriverFacts
from hyperflow_runtime.doctor.finding import Finding, Status
from hyperflow_runtime.doctor.probing import Probe

__all__ = ["examine_cuda", "gpu_libraries"]

_LIBRARY_FOLDERS = (
    "usr/lib/aarch64-linux-gnu", "usr/lib/aarch64-linux-gnu/nvidia", "usr/lib/aarch64-linux-gnu/tegra",
    "usr/lib/x86_64-linux-gnu", "usr/local/cuda/lib64", "usr/local/cuda/targets/aarch64-linux/lib",
)  # fmt: skip
_LIBRARIES = ("libcuda", "libcudart", "libcudnn", "libnvinfer", "libnvonnxparser")
_TOOLKIT = "usr/local/cuda"


def gpu_libraries(root: Path = Path("/")) -> dict[str, str]:
    """Version of each of NVIDIA's libraries in the usual folders, from the names of their files.

    Args:
        root: Top of the file system to look in.
    """
    found: dict[str, str] = {}
    for name in _LIBRARIES:
        versions = [
            file.name.removeprefix(f"{name}.so.")
            for folder in _LIBRARY_FOLDERS
            for file in (root / folder).glob(f"{name}.so.*")
        ]
        if versions:
            found[name] = max(versions, key=lambda text: (text.count("."), text))
    return found


def examine_cuda(
    driver: Probe[DriverFacts], cuda: Probe[CudaFacts], *, is_jetson: bool, root: Path = Path("/")
) -> tuple[Finding, ...]:
    """Judge CUDA from driver to devices.

    Args:
        driver: Its loading.
        cuda: The devices, through pycuda.
        is_jetson: Whether all of it belongs here.
        root: Top of the file system to look in.
    """
    absent: Status = "problem" if is_jetson else "note"
    nvcc = find_tool("nvcc", root) or find_tool("nvcc", root / _TOOLKIT)
    libraries = ", ".join(f"{name} {version}" for name, version in gpu_libraries(root).items())
    return (
        _driver(driver, absent),
        *_toolkit(root),
        _pycuda(cuda, absent, has_compiler=nvcc is not None, has_driver=driver.facts is not None),
        *(_device(device) for device in (cuda.facts.devices if cuda.facts else ())),
        Finding("GPU libraries", libraries)
        if libraries
        else Finding("GPU libraries", "none in the usual folders", absent, _install_advice(is_jetson)),
    )


def _install_advice(is_jetson: bool) -> str:
    if is_jetson:
        return "sudo apt install nvidia-jetpack; in a container, start it with --runtime nvidia"
    return "needed for an NVIDIA GPU only: install its driver and CUDA"


def _driver(probe: Probe[DriverFacts], absent: Status) -> Finding:
    if probe.facts is not None:
        return Finding("NVIDIA driver", f"runs CUDA up to {probe.facts.cuda_version}")
    return Finding("NVIDIA driver", f"none ({probe.failure})", absent, _install_advice(absent == "problem"))


def _toolkit(root: Path) -> Iterator[Finding]:
    on_path = find_tool("nvcc", root, on_path_only=True)
    beside = root / _TOOLKIT / "bin/nvcc"
    compiler = on_path or (beside if beside.is_file() else None)
    release = _toolkit_version(root, compiler)
    if compiler is None:
        yield Finding(
            "CUDA toolkit", release or "none", "note",
            "its compiler nvcc is needed only to install pycuda with pip: sudo apt install cuda-toolkit",
        )  # fmt: skip
    elif on_path is None:
        yield Finding(
            "CUDA toolkit", f"{release or 'of an unknown version'}, nvcc not on the PATH", "note",
            f"to install pycuda: export PATH=/{_TOOLKIT}/bin:$PATH",
        )  # fmt: skip
    else:
        yield Finding("CUDA toolkit", f"{release or 'of an unknown version'}, nvcc on the PATH")


def _toolkit_version(root: Path, compiler: Path | None) -> str | None:
    try:
        listed = msgspec.json.decode(read_text(root / _TOOLKIT / "version.json") or "{}")
        return str(listed["cuda"]["version"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        pass
    said = "" if compiler is None else run_command([str(compiler), "--version"], timeout_s=10).output
    release = re.search(r"release (\d+\.\d+)", said)
    return release[1] if release else None


def _pycuda(probe: Probe[CudaFacts], absent: Status, *, has_compiler: bool, has_driver: bool) -> Finding:
    if probe.facts is not None and probe.facts.devices:
        return Finding("pycuda", f"{probe.facts.pycuda_version}, {len(probe.facts.devices)} CUDA device(s)")
    if probe.facts is not None:
        return Finding("pycuda", f"{probe.facts.pycuda_version}, no CUDA device", absent, "is a GPU hidden by "
                       "CUDA_VISIBLE_DEVICES, or by a container without --runtime nvidia?")  # fmt: skip
    if probe.is_missing:
        compiles = "" if has_compiler else ", which compiles and needs the CUDA toolkit first"
        reason = "TensorRT runs through it" if absent == "problem" or has_driver else "needed for an NVIDIA GPU only"
        return Finding("pycuda", "not installed", absent, f"{reason}: pip install 'hyperflow[pycuda]'{compiles}")
    what, _, advice = probe.failure.rpartition("; ")
    is_expected = absent == "note" and not has_driver
    status: Status = "note" if is_expected else "problem"
    return Finding("pycuda", what or probe.failure, status, advice if what else "pip install --force-reinstall pycuda")


def _device(device: CudaDeviceFacts) -> Finding:
    kind = "shares the processor's memory" if device.is_integrated else "memory of its own"
    total, free = device.total_bytes / 2**30, device.free_bytes / 2**30
    return Finding("CUDA device", f"{device.identity}, {kind}, {total:.1f} GiB, {free:.1f} GiB free by CUDA's count")
