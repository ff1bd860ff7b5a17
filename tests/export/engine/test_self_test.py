"""Comparing an engine's results: every shape where it may go wrong, and what becomes of the verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import SimpleNamespace

import msgspec
import pytest

from hyperflow_export.engine import self_test
from hyperflow_export.engine.agreement import batch_sizes, compare_backends, support_sizes
from hyperflow_export.engine.keys import engine_key
from hyperflow_export.engine.self_test import run_self_test
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target
from hyperflow_export.verification import verify_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array, DriftResult, Encoder
from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary
from hyperflow_runtime.bundle.manifest import Limits
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import GRAPHS, choose_engine
from hyperflow_runtime.engines.key import DeviceIdentity
from hyperflow_runtime.engines.record import EngineRecord
from hyperflow_runtime.errors import BackendError, EngineError

GPU = DeviceIdentity("RTX 3060", "8.6", 28)
LIBRARY = TensorRTLibrary("tensorrt_rtx", SimpleNamespace(), "1.7.1.116")


class Miscompiled:
    """onnxruntime, but wrong for one number of images, as compilers of engines have been."""

    def __init__(self, bundle: Bundle, n_images: int) -> None:
        self._right, self._n_images, self.is_closed = OnnxRuntimeBackend(bundle), n_images, False

    @property
    def name(self) -> str:
        return "a wrong backend"

    def encode(self, images: Array, theta: Array) -> Array:
        features = self._right.encode(images, theta)
        return features[:, ::-1].copy() if len(images) == self._n_images else features

    def adapt(self, features: Array, labels_onehot: Array, step_size: float) -> DriftResult:
        theta, norms = self._right.adapt(features, labels_onehot, step_size)
        return DriftResult(-theta if len(features) == self._n_images else theta, norms)

    def baked(self, theta: Array) -> Encoder:
        return self._right.baked(theta)

    def close(self) -> None:
        self.is_closed = True
        self._right.close()


@pytest.fixture
def engines(bundle: Bundle, cache: EngineCache) -> EngineCache:
    """A cache with an engine of each graph for the GPU."""
    target = Target(LIBRARY, ("8.6",), GPU)
    for graph in GRAPHS:
        record = EngineRecord(
            key=engine_key(bundle, graph, target, BuildSettings()), bundle_name="tiny",
            plan_sha256=hashlib.sha256(b"plan").hexdigest(), size_bytes=4, build_seconds=1.0,
            created="2026-01-01T00:00:00+00:00", precisions={"fp32": 6},
        )  # fmt: skip
        cache.store(record, b"plan")
    return cache


@pytest.fixture
def run_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], None]:
    """Put a backend in the place of the GPU's."""

    def use(backend: object) -> None:
        monkeypatch.setattr(self_test, "CudaDevice", lambda index: SimpleNamespace(identity=GPU))
        monkeypatch.setattr(self_test, "load_library", lambda name: LIBRARY)
        monkeypatch.setattr(self_test, "TensorRTBackend", SimpleNamespace(open=lambda *_, **__: backend))

    return use


def _chosen(bundle: Bundle, cache: EngineCache) -> list[EngineRecord]:
    return [
        choose_engine(bundle, graph, cache, library="tensorrt_rtx", version=LIBRARY.version, device=GPU)
        for graph in GRAPHS
    ]


def test_the_ends_of_every_profile_are_compared(bundle: Bundle) -> None:
    manifest = msgspec.structs.replace(bundle.manifest, limits=Limits(64, 512, 64))

    assert batch_sizes(manifest) == [1, 4, 5, 25, 64]
    assert support_sizes(manifest) == [(2, 2), (25, 5), (64, 64), (512, 2), (512, 64)]


@pytest.mark.parametrize("limits", [Limits(1, 2, 2), Limits(1, 2, 4096), Limits(4, 3, 2), Limits(5, 24, 64)])
def test_no_shape_beyond_the_limits_is_compared(bundle: Bundle, limits: Limits) -> None:
    manifest = msgspec.structs.replace(bundle.manifest, limits=limits)

    assert batch_sizes(manifest)[0] == 1
    assert batch_sizes(manifest)[-1] == limits.max_batch
    assert all(
        2 <= n_way <= n_images <= limits.max_support and n_way <= limits.max_ways
        for n_images, n_way in support_sizes(manifest)
    )


def test_a_backend_agrees_with_itself(bundle: Bundle) -> None:
    backend = OnnxRuntimeBackend(bundle)

    checks = compare_backends(bundle, backend, backend)

    assert len(checks) == 2 * len(batch_sizes(bundle.manifest)) + 2 * len(support_sizes(bundle.manifest))
    assert all(check.passed for check in checks)


@pytest.mark.parametrize("n_images", [1, 4, 5, 8])
def test_a_backend_that_is_wrong_for_one_batch_is_found_out(bundle: Bundle, n_images: int) -> None:
    checks = compare_backends(bundle, Miscompiled(bundle, n_images), OnnxRuntimeBackend(bundle))

    failed = {check.name for check in checks if not check.passed}
    assert {name for name in failed if "features" in name} == {
        f"onnxruntime: features of {n_images} images at {theta}" for theta in ("theta_0", "an adapted theta")
    }


def test_a_drift_that_is_wrong_for_the_largest_support_is_found_out(bundle: Bundle) -> None:
    checks = compare_backends(bundle, Miscompiled(bundle, 24), OnnxRuntimeBackend(bundle))

    assert {check.name for check in checks if not check.passed} == {
        f"onnxruntime: 24 images, {n_way} ways: theta" for n_way in (2, 5, 6)
    }


def test_the_reference_data_are_run_by_the_backend_that_is_given(bundle: Bundle) -> None:
    backend = Miscompiled(bundle, 24)

    failed = [check.name for check in verify_bundle(bundle, backend=backend) if not check.passed]

    assert "random: features at theta_0" in failed
    assert not backend.is_closed


def test_no_reference_data_beyond_the_limits_are_given_to_engines(bundle: Bundle) -> None:
    of_all = {check.name for check in verify_bundle(bundle)}
    of_engines = {check.name for check in verify_bundle(bundle, backend=OnnxRuntimeBackend(bundle))}

    assert of_all - of_engines == {"16way2shot: theta", "7way3shot: theta"}


def test_engines_that_pass_are_used_from_then_on(
    bundle: Bundle, engines: EngineCache, run_as: Callable[[object], None]
) -> None:
    run_as(OnnxRuntimeBackend(bundle))
    with pytest.raises(EngineError, match="was never compared"):
        _chosen(bundle, engines)

    report = run_self_test(bundle, "tensorrt_rtx", engines)

    assert report.passed
    assert len(report.checks) > 20
    for record in _chosen(bundle, engines):
        assert record.self_test is not None
        assert (record.self_test.device, record.self_test.bundle_sha256) == (GPU, bundle.sha256)


def test_engines_that_differ_are_refused_from_then_on(
    bundle: Bundle, engines: EngineCache, run_as: Callable[[object], None]
) -> None:
    backend = Miscompiled(bundle, 1)
    run_as(backend)

    assert not run_self_test(bundle, "tensorrt_rtx", engines).passed

    with pytest.raises(EngineError, match="gave other results"):
        _chosen(bundle, engines)
    assert backend.is_closed


def test_a_backend_that_fails_gives_no_verdict(
    bundle: Bundle, engines: EngineCache, run_as: Callable[[object], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Miscompiled(bundle, 1)
    run_as(backend)

    def out_of_memory(*_: object) -> Array:
        raise BackendError("out of memory")

    monkeypatch.setattr(backend, "encode", out_of_memory)
    with pytest.raises(BackendError, match="out of memory"):
        run_self_test(bundle, "tensorrt_rtx", engines)

    assert all(record.self_test is None for record in engines.records())
    assert backend.is_closed
