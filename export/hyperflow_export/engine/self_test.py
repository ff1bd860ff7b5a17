"""The self-test of a bundle's engines on the GPU at hand; the runtime uses no engine that has not passed it there."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from hyperflow_export.engine.agreement import compare_backends
from hyperflow_export.verification import verify_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
from hyperflow_runtime.backends.tensorrt.cuda import CudaDevice
from hyperflow_runtime.backends.tensorrt.library import load_library
from hyperflow_runtime.bundle.manifest import ParityCheck
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import GRAPHS, choose_engine
from hyperflow_runtime.engines.plan_header import LibraryName
from hyperflow_runtime.engines.record import EngineRecord, SelfTest

__all__ = ["SelfTestReport", "has_passed", "run_self_test"]


@dataclass(frozen=True)
class SelfTestReport:
    """What came of it.

    Attributes:
        backend: What ran, and where.
        checks: One line for each comparison.
        passed: Whether all did.
    """

    backend: str
    checks: tuple[ParityCheck, ...]
    passed: bool


def has_passed(record: EngineRecord, bundle: Bundle, device_index: int) -> bool:
    """Whether an engine has passed with this very bundle on this very GPU before.

    Raises:
        BackendError: No pycuda, no driver or no such GPU.
    """
    test = record.self_test
    if test is None or not test.passed or test.bundle_sha256 != bundle.sha256:
        return False
    return test.device == CudaDevice(device_index).identity


def run_self_test(bundle: Bundle, library: LibraryName, cache: EngineCache, device_index: int = 0) -> SelfTestReport:
    """Compare the newest engines of a bundle with its reference data and with onnxruntime, and note the verdict.

    Args:
        bundle: Whose engines.
        library: Module that runs them.
        cache: Where they lie; the verdict is noted there.
        device_index: GPU, in CUDA's numbering.

    Raises:
        EngineError: An engine is absent or refused, or the verdict cannot be written.
        BackendError: No TensorRT, no GPU, or too little memory; no verdict is noted.
        BundleError: The reference data is torn.
    """
    identity = CudaDevice(device_index).identity
    version = load_library(library).version
    records = [
        choose_engine(bundle, graph, cache, library=library, version=version, device=identity, tested_only=False)
        for graph in GRAPHS
    ]
    opened = TensorRTBackend.open(bundle, cache=cache, device_index=device_index, tested_only=False, library=library)
    with closing(opened) as engines, closing(OnnxRuntimeBackend(bundle)) as processor:
        name = engines.name
        checks = (*verify_bundle(bundle, backend=engines), *compare_backends(bundle, engines, processor))
    passed = all(check.passed for check in checks)
    for record in records:
        cache.set_self_test(record, SelfTest(identity, bundle.sha256, passed))
    return SelfTestReport(name, checks, passed)
