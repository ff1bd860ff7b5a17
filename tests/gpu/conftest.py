"""What the tests on a real GPU share. One command runs them all: `make gpu`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperflow_export.engine.ensuring import ensure_engine
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target, this_device
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
from hyperflow_runtime.backends.tensorrt.cuda import CudaDevice
from hyperflow_runtime.backends.tensorrt.library import installed_libraries
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import GRAPHS
from hyperflow_runtime.errors import BackendError


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session")
def device() -> CudaDevice:
    """The first GPU."""
    try:
        return CudaDevice()
    except BackendError as error:
        pytest.skip(f"needs an NVIDIA GPU: {error}")


@pytest.fixture(scope="session")
def target(device: CudaDevice) -> Target:
    """The first GPU, with whichever TensorRT is installed and knows it."""
    reasons = []
    for library in installed_libraries():
        try:
            return this_device(library)
        except BackendError as error:
            reasons.append(str(error))
    pytest.skip(f"needs TensorRT for {device.identity}: {'; '.join(reasons) or 'none is installed'}")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> EngineCache:
    """A cache for the engines of this run."""
    return EngineCache(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="session")
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle."""
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="session")
def on_gpu(bundle: Bundle, target: Target, cache: EngineCache) -> Iterator[TensorRTBackend]:
    """The tiny bundle as engines that were built just now."""
    for graph in GRAPHS:
        ensure_engine(bundle, graph, target, BuildSettings(), cache)
    backend = TensorRTBackend.open(bundle, cache=cache, tested_only=False, library=target.library.name)
    yield backend
    backend.close()


@pytest.fixture(scope="session")
def on_processor(bundle: Bundle) -> Iterator[OnnxRuntimeBackend]:
    """The tiny bundle in onnxruntime."""
    backend = OnnxRuntimeBackend(bundle)
    yield backend
    backend.close()
