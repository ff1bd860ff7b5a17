"""Looking at everything in turn, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from hyperflow_runtime.board.conditions import read_conditions
from hyperflow_runtime.board.debian import debian_packages
from hyperflow_runtime.board.identity import describe_board
from hyperflow_runtime.doctor.board_state import examine_board
from hyperflow_runtime.doctor.bundle import examine_bundle
from hyperflow_runtime.doctor.cameras import examine_cameras
from hyperflow_runtime.doctor.cuda import examine_cuda, gpu_libraries
from hyperflow_runtime.doctor.engine_cache import examine_engine_cache
from hyperflow_runtime.doctor.facts import CudaFacts, DriverFacts, LibraryFacts, OpenCvFacts
from hyperflow_runtime.doctor.finding import Finding, Subject
from hyperflow_runtime.doctor.inference import examine_onnxruntime, examine_tensorrt, examine_tensorrt_rtx
from hyperflow_runtime.doctor.memory import examine_memory
from hyperflow_runtime.doctor.opencv import examine_opencv
from hyperflow_runtime.doctor.probing import Probe, probe
from hyperflow_runtime.doctor.python_environment import examine_python, hides_system_packages
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.plan_header import LibraryName

__all__ = ["Report", "examine"]


class Report(msgspec.Struct, frozen=True):
    """All findings.

    Attributes:
        usable: Whether a backend runs here; with a bundle, whether one runs that bundle.
        backends: Those that run.
        subjects: What was looked at.
    """

    usable: bool
    backends: tuple[str, ...]
    subjects: tuple[Subject, ...]

    def count(self, status: str) -> int:
        """Number of findings of one status."""
        return sum(finding.status == status for subject in self.subjects for finding in subject.findings)


class _Probes:
    """Libraries, each loaded in a process of its own."""

    def __init__(self, announce: Callable[[str], object]) -> None:
        announce("onnxruntime")
        self.onnxruntime: Probe[LibraryFacts] = probe("onnxruntime", LibraryFacts)
        announce("TensorRT")
        self.tensorrt: Probe[LibraryFacts] = probe("tensorrt", LibraryFacts)
        self.tensorrt_rtx: Probe[LibraryFacts] = probe("tensorrt_rtx", LibraryFacts)
        announce("CUDA")
        self.driver: Probe[DriverFacts] = probe("driver", DriverFacts)
        self.cuda: Probe[CudaFacts] = probe("cuda", CudaFacts)
        announce("OpenCV")
        self.opencv: Probe[OpenCvFacts] = probe("opencv", OpenCvFacts)

    @property
    def libraries(self) -> dict[LibraryName, str]:
        """Version of each TensorRT at hand."""
        found: dict[LibraryName, str] = {}
        if self.tensorrt.facts is not None:
            found["tensorrt"] = self.tensorrt.facts.version
        if self.tensorrt_rtx.facts is not None:
            found["tensorrt_rtx"] = self.tensorrt_rtx.facts.version
        return found

    @property
    def backends(self) -> tuple[str, ...]:
        """Backends that could run a bundle."""
        has_gpu = bool(self.libraries) and self.cuda.facts is not None and bool(self.cuda.facts.devices)
        on_processor = ("onnxruntime",) if self.onnxruntime.facts is not None else ()
        return (*on_processor, *(("tensorrt",) if has_gpu else ()))


def examine(
    *, bundle: Path | None = None, engine_cache: Path | None = None, root: Path = Path("/"),
    announce: Callable[[str], object] = lambda what: None,
) -> Report:  # fmt: skip
    """Look at this device. Whatever is absent, broken, forbidden or garbled ends as a finding.

    Args:
        bundle: Bundle to run once on each backend at hand.
        engine_cache: Folder of the engines; None for the default one.
        root: Top of the file system to look in; loaded libraries are always this process's own.
        announce: Told what is looked at, since some libraries take seconds to load.
    """
    probes = _Probes(announce)
    packages = debian_packages(root)
    board, conditions = describe_board(root, packages), read_conditions(root)
    cache = EngineCache(engine_cache)
    devices = [device.identity for device in (probes.cuda.facts.devices if probes.cuda.facts else ())]
    hidden, is_jetson = hides_system_packages(), board.is_jetson

    def inference() -> Iterable[Finding]:
        library = gpu_libraries(root).get("libnvinfer")
        yield examine_onnxruntime(probes.onnxruntime)
        yield examine_tensorrt(
            probes.tensorrt, is_jetson=is_jetson, hides_system_packages=hidden, library_version=library
        )
        yield examine_tensorrt_rtx(probes.tensorrt_rtx, is_jetson=is_jetson)

    subjects = [
        _subject("Python", lambda: examine_python(is_jetson=is_jetson)),
        _subject("Inference", inference),
        _subject("CUDA", lambda: examine_cuda(probes.driver, probes.cuda, is_jetson=is_jetson, root=root)),
        _subject("Board", lambda: examine_board(board, conditions, packages, root=root)),
        _subject("Memory", lambda: examine_memory(is_jetson=is_jetson, root=root)),
        _subject("Engines", lambda: examine_engine_cache(cache, devices, probes.libraries)),
        _subject("OpenCV", lambda: [examine_opencv(probes.opencv, packages, is_jetson=is_jetson)]),
        _subject("Cameras", lambda: examine_cameras(is_jetson=is_jetson, root=root)),
    ]
    backends = probes.backends
    if bundle is not None:
        announce("the bundle")
        subjects.append(_subject("Bundle", lambda: examine_bundle(bundle, backends, cache.folder)))
        ran = {finding.name for finding in subjects[-1].findings if finding.status == "ok"}
        backends = tuple(backend for backend in backends if f"in {backend}" in ran)
    return Report(bool(backends), backends, tuple(subjects))


def _subject(title: str, look: Callable[[], Iterable[Finding]]) -> Subject:
    try:
        return Subject(title, tuple(look()))
    except Exception as error:  # one subject that nobody foresaw must not hide all others
        advice = "please report this, with the line above"
        return Subject(title, (Finding(title, f"{type(error).__name__}: {error}", "problem", advice),))
