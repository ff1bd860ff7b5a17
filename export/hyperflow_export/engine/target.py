"""Where an engine is to run: on the GPU at hand, or on any GPU of named compute capabilities."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hyperflow_export.errors import EngineBuildError
from hyperflow_runtime.backends.tensorrt.cuda import CudaDevice
from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary, load_library
from hyperflow_runtime.engines.key import DeviceIdentity
from hyperflow_runtime.engines.plan_header import LibraryName
from hyperflow_runtime.errors import BackendError

__all__ = ["Target", "ahead_of_time", "capability_constant", "this_device"]

_CAPABILITY = re.compile(r"(?:sm_?)?(\d{1,2})\.?(\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """Who builds, and for whom.

    Attributes:
        library: That builds, and will run, the engine.
        compute_capabilities: Sorted; of the device, or those that were named.
        device: The GPU at hand, which alone may run the engine; None ahead of time.
        device_index: In CUDA's numbering.
    """

    library: TensorRTLibrary
    compute_capabilities: tuple[str, ...]
    device: DeviceIdentity | None
    device_index: int = 0

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make the device's context current in this thread for the block; ahead of time there is none.

        Raises:
            BackendError: The device gives no context.
        """
        if self.device is None:
            yield
            return
        with CudaDevice(self.device_index).current():
            yield

    def __str__(self) -> str:
        where = str(self.device) if self.device else f"compute capability {', '.join(self.compute_capabilities)}"
        return f"{self.library} for {where}"


def this_device(library: LibraryName = "tensorrt", device_index: int = 0) -> Target:
    """Target the GPU at hand.

    Args:
        library: Which TensorRT.
        device_index: GPU, in CUDA's numbering.

    Raises:
        BackendError: No TensorRT, no pycuda, no driver, no such GPU, or one that this TensorRT does not run on.
    """
    opened = load_library(library)
    identity = CudaDevice(device_index).identity
    if library == "tensorrt_rtx":
        _require_rtx_support(opened, identity)
    return Target(opened, (identity.compute_capability,), identity, device_index)


def _require_rtx_support(library: TensorRTLibrary, device: DeviceIdentity) -> None:
    """Refuse before the build what TensorRT for RTX would refuse to load: it leaves out data centres' GPUs (9.0)."""
    known = _known_capabilities(library)
    number = int(device.compute_capability.replace(".", ""))
    if number not in known and number < known[-1]:
        raise BackendError(
            f"{library} does not run on {device}: it knows compute capability {', '.join(map(str, known))} and newer; "
            "use TensorRT itself there, --library tensorrt"
        )


def ahead_of_time(capabilities: str) -> Target:
    """Target GPUs that are not here, with TensorRT for RTX.

    One engine serves all named capabilities: such a plan holds no kernels, only what they are made of on the GPU.

    Args:
        capabilities: Such as `86,89,120` or `8.6,8.9,12.0`.

    Raises:
        BackendError: TensorRT for RTX is not installed.
        EngineBuildError: A capability is none, or not one that this version builds for.
    """
    library = load_library("tensorrt_rtx")
    named = {_capability(text, library) for text in capabilities.split(",")}
    return Target(library, tuple(sorted(named, key=_numbers)), None)


def capability_constant(library: TensorRTLibrary, capability: str) -> Any:
    """TensorRT's own name of a capability such as `8.6`."""
    return getattr(library.module.ComputeCapability, _member(capability))


def _member(capability: str) -> str:
    return f"SM{capability.replace('.', '')}"


def _numbers(capability: str) -> tuple[int, int]:
    major, minor = capability.split(".")
    return int(major), int(minor)


def _known_capabilities(library: TensorRTLibrary) -> list[int]:
    """Those of `ComputeCapability`, such as 86, in order."""
    return sorted(int(name[2:]) for name in dir(library.module.ComputeCapability) if re.fullmatch(r"SM\d+", name))


def _capability(text: str, library: TensorRTLibrary) -> str:
    found = _CAPABILITY.fullmatch(text.strip())
    known = _known_capabilities(library)
    if found is None or int("".join(found.groups())) not in known:
        raise EngineBuildError(
            f"{library} builds for no compute capability {text.strip()!r:.20}; it knows {', '.join(map(str, known))}. "
            "Other devices, every Jetson among them, build their own engines: hyperflow-export engine BUNDLE, there"
        )
    return ".".join(found.groups())
