"""The real builder on the stand-in for TensorRT, in each version that the project supports."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator

import pytest
from stand_in import ORIN_NANO, TENSORRT_VERSIONS, StandIn, install

from hyperflow_export.engine.ensuring import Ensured, ensure_engine
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import this_device
from hyperflow_runtime.backends.tensorrt.cuda import _primary_context
from hyperflow_runtime.backends.tensorrt.logger import make_logger
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache

Builds = Callable[..., Ensured]


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


@pytest.fixture(params=TENSORRT_VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each supported version; a test that wants one alone parametrises it."""
    return str(request.param)


@pytest.fixture
def stand_in(version: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """TensorRT and pycuda of an Orin Nano; the test fails when they were misused or anything is left on the GPU."""
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    installed = install(monkeypatch, version, ORIN_NANO)
    yield installed
    installed.check(nothing_left=True)


@pytest.fixture
def builds(stand_in: StandIn, cache: EngineCache, bundle: Bundle) -> Builds:
    """Finds or builds an engine of the tiny bundle on this device."""

    def build(
        of: Bundle = bundle, graph: str = "backbone", settings: BuildSettings | None = None, **more: object
    ) -> Ensured:
        return ensure_engine(of, graph, this_device(), settings or BuildSettings(), cache, **more)  # type: ignore[arg-type]

    return build
