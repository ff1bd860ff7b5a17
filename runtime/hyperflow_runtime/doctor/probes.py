"""What runs inside a probe's process; see `probing`. Every function here may crash, hang, or raise anything."""

from __future__ import annotations

import ctypes
import re
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version

import msgspec
import numpy as np

from hyperflow_runtime.doctor.facts import (
    BundleFacts,
    CudaDeviceFacts,
    CudaFacts,
    DriverFacts,
    LibraryFacts,
    OpenCvFacts,
)

__all__ = ["PROBES", "main"]


def _onnxruntime() -> LibraryFacts:
    from hyperflow_runtime.backends.onnxruntime import try_onnxruntime

    return LibraryFacts(*try_onnxruntime())


def _tensorrt() -> LibraryFacts:
    from hyperflow_runtime.backends.tensorrt.library import load_library

    library = load_library("tensorrt")
    return LibraryFacts(library.version, str(library.module.__file__))


def _tensorrt_rtx() -> LibraryFacts:
    from hyperflow_runtime.backends.tensorrt.library import load_library

    library = load_library("tensorrt_rtx")
    return LibraryFacts(library.version, str(library.module.__file__))


def _driver() -> DriverFacts:
    number = ctypes.c_int(0)
    code = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(number))
    if code != 0:
        raise RuntimeError(f"cuDriverGetVersion gives error {code}")
    return DriverFacts(f"{number.value // 1000}.{number.value % 1000 // 10}")


def _cuda() -> CudaFacts:
    from hyperflow_runtime.backends.tensorrt.cuda import CudaDevice, n_cuda_devices

    found = []
    for index in range(n_cuda_devices()):
        device = CudaDevice(index)
        with device.current():
            free_bytes, total_bytes = device.driver.mem_get_info()
        found.append(CudaDeviceFacts(device.identity, device.is_integrated, int(total_bytes), int(free_bytes)))
    return CudaFacts(version("pycuda"), tuple(found))


def _opencv() -> OpenCvFacts:
    cv2 = import_module("cv2")
    build = str(cv2.getBuildInformation())
    return OpenCvFacts(str(cv2.__version__), str(cv2.__file__), re.search(r"GStreamer:\s+YES", build) is not None)


def _bundle(path: str, backend: str, engine_cache: str) -> BundleFacts:
    from hyperflow_runtime.model import open_bundle

    rng = np.random.default_rng(0)
    dark, bright = (rng.integers(low, low + 128, (2, 480, 640, 3), dtype=np.uint8) for low in (0, 128))
    start = time.perf_counter()
    with open_bundle(path, backend, engine_cache=engine_cache) as model:  # type: ignore[arg-type]  # checked there
        opened = time.perf_counter()
        session = model.session(bake=False)
        session.add("dark", list(dark))
        session.add("bright", list(bright))
        before = time.perf_counter()
        session.adapt()
        adapted = time.perf_counter()
        is_right = session.predict(dark[0], allow_unknown=False).label == "dark"
        spans = (opened - start, adapted - before, time.perf_counter() - adapted)
        open_ms, adapt_ms, predict_ms = (seconds * 1e3 for seconds in spans)
        return BundleFacts(model.backend, open_ms, adapt_ms, predict_ms, is_right)


PROBES: dict[str, Callable[..., msgspec.Struct]] = {
    "onnxruntime": _onnxruntime,
    "tensorrt": _tensorrt,
    "tensorrt_rtx": _tensorrt_rtx,
    "driver": _driver,
    "cuda": _cuda,
    "opencv": _opencv,
    "bundle": _bundle,
}
"""By name, as `probing.probe` asks for them."""


def main(name: str, *arguments: str) -> None:
    """Print what a probe finds, or why it fails, as the last line of standard output."""
    try:
        said = {"facts": msgspec.to_builtins(PROBES[name](*arguments))}
    except Exception as error:  # whatever a library's loading raises is what the doctor is to report
        cause = error if isinstance(error, ModuleNotFoundError) else error.__cause__
        is_missing = isinstance(cause, ModuleNotFoundError)
        said = {"failure": str(error) or type(error).__name__, "is_missing": is_missing}
    sys.stdout.flush()
    print("\n" + msgspec.json.encode(said).decode(), flush=True)
