"""The real backend on the stand-in, with engines of the tiny bundle for each version and for two kinds of GPU."""

from __future__ import annotations

import gc
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from stand_in import ORIN_NANO, RTX_4090, DeviceSpec, StandIn, install

from hyperflow_export.engine.ensuring import ensure_engine
from hyperflow_export.engine.self_test import run_self_test
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import this_device
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
from hyperflow_runtime.backends.tensorrt.cuda import _primary_context
from hyperflow_runtime.backends.tensorrt.logger import make_logger
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import GRAPHS

Array = NDArray[np.float32]
EnginesFor = Callable[[str, DeviceSpec], Path]


@pytest.fixture(scope="module", autouse=True)
def _quick_collections() -> Iterator[None]:
    """What was there before is no matter of the garbage collector's: each of these tests asks it what is left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _forgotten_machines() -> Iterator[None]:
    """A process has one driver and one TensorRT for life, and keeps them; here each test has its own."""
    yield
    _primary_context.cache_clear()
    make_logger.cache_clear()


@pytest.fixture(params=[ORIN_NANO, RTX_4090], ids=["integrated", "discrete"])
def device(request: pytest.FixtureRequest) -> DeviceSpec:
    """A GPU that shares the processor's memory, and one that does not."""
    found: DeviceSpec = request.param
    return found


@pytest.fixture(autouse=True)
def _only_the_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT for RTX may be installed, and needs a GPU to run."""
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)


@pytest.fixture(scope="session")
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle, read."""
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="session")
def engines_for(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> EnginesFor:
    """Builds engines on a stand-in of their own, once for each version and GPU; gives a cache that nobody writes to."""
    built: dict[tuple[str, DeviceSpec], Path] = {}

    def engines(version: str, device: DeviceSpec) -> Path:
        if (version, device) not in built:
            cache = EngineCache(tmp_path_factory.mktemp("engines"))
            with pytest.MonkeyPatch.context() as patch:
                installed = install(patch, version, device)
                for graph in GRAPHS:
                    ensure_engine(bundle, graph, this_device(), BuildSettings(), cache)
                installed.check(nothing_left=True)
            built[version, device] = cache.folder
        return built[version, device]

    return engines


@pytest.fixture
def untested(engines_for: EnginesFor, version: str, device: DeviceSpec, tmp_path: Path) -> EngineCache:
    """A cache with engines for the GPU at hand that nobody has compared."""
    return EngineCache(shutil.copytree(engines_for(version, device), tmp_path / "engines"))


@pytest.fixture
def tested(untested: EngineCache, bundle: Bundle, version: str, device: DeviceSpec) -> EngineCache:
    """The same engines, compared."""
    with pytest.MonkeyPatch.context() as patch:
        install(patch, version, device)
        assert run_self_test(bundle, "tensorrt", untested).passed
    return untested


@pytest.fixture
def backend(stand_in: StandIn, untested: EngineCache, bundle: Bundle) -> Iterator[TensorRTBackend]:
    """The bundle on the GPU; in the end nothing is left there."""
    opened = TensorRTBackend.open(bundle, cache=untested, tested_only=False)
    yield opened
    opened.close()
    stand_in.check(nothing_left=True)


@pytest.fixture(scope="session")
def processor(bundle: Bundle) -> Iterator[OnnxRuntimeBackend]:
    """The bundle in onnxruntime, which is right."""
    opened = OnnxRuntimeBackend(bundle, n_threads=1)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def theta(bundle: Bundle) -> Array:
    """Not theta_0; never written to."""
    noise = np.random.default_rng(1).normal(0, 0.1, bundle.theta_0.shape)
    return bundle.theta_0 + noise.astype(np.float32)


@pytest.fixture(scope="session")
def images() -> Array:
    """Twenty preprocessed images; never written to."""
    return np.random.default_rng(0).standard_normal((20, 3, 32, 32), dtype=np.float32)


@pytest.fixture(scope="session")
def support() -> Callable[[int, int], tuple[Array, Array]]:
    """Makes features (S, 16) and labels (S, N) of a support."""

    def make(n_images: int, n_way: int) -> tuple[Array, Array]:
        features = np.random.default_rng(n_images).random((n_images, 16), dtype=np.float32)
        return features, np.eye(n_way, dtype=np.float32)[np.arange(n_images) % n_way]

    return make
