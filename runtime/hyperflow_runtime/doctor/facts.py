"""What probes find out: they load libraries that may crash or hang, each in a process of its own."""

from __future__ import annotations

import msgspec

from hyperflow_runtime.engines.key import DeviceIdentity

__all__ = ["BundleFacts", "CudaDeviceFacts", "CudaFacts", "DriverFacts", "LibraryFacts", "OpenCvFacts"]


class LibraryFacts(msgspec.Struct, frozen=True):
    """A library that was loaded.

    Attributes:
        version: Its own word.
        location: File that it was loaded from.
        details: Further words, such as onnxruntime's providers.
    """

    version: str
    location: str
    details: tuple[str, ...] = ()


class DriverFacts(msgspec.Struct, frozen=True):
    """NVIDIA's driver: the newest CUDA that it can run, such as `12.6`."""

    cuda_version: str


class CudaDeviceFacts(msgspec.Struct, frozen=True):
    """A GPU on which a CUDA context could be made.

    Attributes:
        identity: Name, compute capability, multiprocessors.
        is_integrated: Whether it shares the processor's memory.
        total_bytes: Its memory.
        free_bytes: CUDA's count of what is free of it.
    """

    identity: DeviceIdentity
    is_integrated: bool
    total_bytes: int
    free_bytes: int


class CudaFacts(msgspec.Struct, frozen=True):
    """All GPUs that CUDA shows through pycuda."""

    pycuda_version: str
    devices: tuple[CudaDeviceFacts, ...]


class OpenCvFacts(msgspec.Struct, frozen=True):
    """OpenCV.

    Attributes:
        version: Its own word.
        location: File that it was loaded from.
        has_gstreamer: Whether it was built with GStreamer, which the cameras of a Jetson need.
    """

    version: str
    location: str
    has_gstreamer: bool


class BundleFacts(msgspec.Struct, frozen=True):
    """A bundle that was opened, adapted and asked once.

    Attributes:
        backend: What ran it, and on which device.
        open_ms: Until it was open.
        adapt_ms: Two classes of two shots.
        predict_ms: The first prediction.
        is_right: Whether a frame of the support was recognised.
    """

    backend: str
    open_ms: float
    adapt_ms: float
    predict_ms: float
    is_right: bool
