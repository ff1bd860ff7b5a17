"""Opening a bundle on a GPU where something is missing, old or foreign: each says what, and the next move."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from stand_in import ORIN_NANO, RTX_4090, TENSORRT_VERSIONS, DeviceSpec, StandIn

from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.key import DeviceIdentity, GraphName
from hyperflow_runtime.engines.record import EngineRecord
from hyperflow_runtime.errors import BackendError, EngineError

# Both kinds of GPU are opened alike.
pytestmark = pytest.mark.parametrize("device", [ORIN_NANO], ids=["integrated"])
EnginesFor = Callable[[str, DeviceSpec], object]
Opens = Callable[..., TensorRTBackend]


@pytest.fixture
def opens(stand_in: StandIn, untested: EngineCache, bundle: Bundle) -> Opens:
    """Opens the bundle, or fails."""

    def open_it(*, tested_only: bool = False, device_index: int = 0, of: Bundle = bundle) -> TensorRTBackend:
        return TensorRTBackend.open(of, cache=untested, tested_only=tested_only, device_index=device_index)

    return open_it


def _record(cache: EngineCache, graph: GraphName = "backbone") -> EngineRecord:
    return next(record for record in cache.records() if record.key.graph == graph)


def _refuses(opens: Opens, stand_in: StandIn, *sentences: str, kind: type[BackendError] = EngineError) -> None:
    with pytest.raises(kind) as raised:
        opens()
    said = str(raised.value)
    assert [sentence for sentence in sentences if sentence not in said] == [], said
    del raised
    stand_in.check(nothing_left=True)


def test_no_tensorrt(opens: Opens, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)

    _refuses(
        opens, stand_in, "TensorRT is not installed", "sudo apt install python3-libnvinfer", "--system-site-packages",
        kind=BackendError,
    )  # fmt: skip


@pytest.mark.parametrize("old", ["8.6.2", "10.2.0.post1"])
def test_a_tensorrt_that_is_too_old(opens: Opens, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, old: str) -> None:
    monkeypatch.setattr(stand_in.tensorrt, "__version__", old)

    _refuses(
        opens, stand_in, f"TensorRT {old} is too old; 10.3.0 or newer is needed, which JetPack 6.1 brings",
        kind=BackendError,
    )  # fmt: skip


def test_a_tensorrt_that_does_not_tell_its_version(
    opens: Opens, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in.tensorrt, "__version__", "unknown")

    _refuses(
        opens, stand_in, "TensorRT states the version 'unknown', which is none; install it again", kind=BackendError
    )


def test_no_pycuda(opens: Opens, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    monkeypatch.delitem(sys.modules, "pycuda.driver")

    _refuses(
        opens, stand_in, "pycuda is not installed", "pip install pycuda", "PATH=/usr/local/cuda/bin:$PATH",
        kind=BackendError,
    )  # fmt: skip


def test_no_gpu(opens: Opens, stand_in: StandIn) -> None:
    stand_in.faults.no_driver = True

    _refuses(
        opens, stand_in, "CUDA cannot be started (cuInit failed: no CUDA-capable device is detected)",
        "is there an NVIDIA GPU, and may you use it?", kind=BackendError,
    )  # fmt: skip


@pytest.mark.parametrize("index", [-1, 1])
def test_no_such_gpu(opens: Opens, index: int) -> None:
    with pytest.raises(BackendError, match=f"no CUDA device {index}: CUDA shows 1, numbered from 0"):
        opens(device_index=index)


def test_no_memory_for_a_cuda_context(opens: Opens, stand_in: StandIn) -> None:
    stand_in.faults.no_context = True

    _refuses(opens, stand_in, "gives no CUDA context", "out of memory", "free some memory", kind=BackendError)
    stand_in.faults.no_context = False
    opens().close()


def test_no_engine_at_all(opens: Opens, stand_in: StandIn, bundle: Bundle, untested: EngineCache) -> None:
    for path in untested.folder.iterdir():
        path.unlink()

    _refuses(
        opens, stand_in, f"no engine of {bundle.path}/backbone.onnx for TensorRT {stand_in.tensorrt.__version__}",
        f"none at all in {untested.folder}", f"hyperflow-export engine {bundle.path}",
    )  # fmt: skip


@pytest.mark.parametrize("other", [
    RTX_4090, replace(ORIN_NANO, n_multiprocessors=16), replace(ORIN_NANO, name="Orin"),
], ids=["capability", "multiprocessors", "name"])  # fmt: skip
def test_engines_of_another_device(
    bundle: Bundle, stand_in: StandIn, engines_for: EnginesFor, other: DeviceSpec
) -> None:
    cache = EngineCache(engines_for(stand_in.version, other))  # type: ignore[arg-type]
    theirs = DeviceIdentity(other.name, "{}.{}".format(*other.compute_capability), other.n_multiprocessors)

    def opens() -> TensorRTBackend:
        return TensorRTBackend.open(bundle, cache=cache, tested_only=False)

    _refuses(
        opens, stand_in, "on Orin (nvgpu) (8.7, 8 SMs)",
        f"there are engines of TensorRT {stand_in.tensorrt.__version__} on {theirs}", "build it on this device",
    )  # fmt: skip


def test_engines_of_another_version(
    bundle: Bundle, stand_in: StandIn, engines_for: EnginesFor, device: DeviceSpec
) -> None:
    for other in set(TENSORRT_VERSIONS) - {stand_in.version}:
        cache = EngineCache(engines_for(other, device))  # type: ignore[arg-type]
        theirs = _record(cache).key.library_version

        with pytest.raises(EngineError) as raised:
            TensorRTBackend.open(bundle, cache=cache, tested_only=False)
        assert f"for TensorRT {stand_in.tensorrt.__version__} on" in str(raised.value)
        assert f"there are engines of TensorRT {theirs} on" in str(raised.value)


def test_engines_that_were_never_compared(opens: Opens, bundle: Bundle, device: DeviceSpec) -> None:
    with pytest.raises(EngineError) as raised:
        opens(tested_only=True)

    assert f"the engine of {bundle.path}/backbone.onnx was never compared on {device.name}" in str(raised.value)
    assert f"hyperflow-export verify {bundle.path} --backend tensorrt" in str(raised.value)


def test_a_torn_plan(opens: Opens, stand_in: StandIn, untested: EngineCache) -> None:
    path = untested.plan_path(_record(untested, "adapt").key)
    path.write_bytes(path.read_bytes()[:-1])

    _refuses(opens, stand_in, f"{path} is torn or was changed", "hyperflow-export engine --force")


def _replace_plan(cache: EngineCache, change: Callable[[bytes], bytes]) -> None:
    """Put another plan in the cache, with a record that agrees."""
    record = _record(cache)
    plan = change(cache.read_plan(record))
    digest = hashlib.sha256(plan).hexdigest()
    cache.store(msgspec.structs.replace(record, plan_sha256=digest, size_bytes=len(plan)), plan)


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda plan: b"", "a plan of 0 bytes is torn"),
    (lambda plan: plan[:20], "a plan of 20 bytes is torn"),
    (lambda plan: b"\x7fELF" + plan[4:], r"not a TensorRT plan: it begins with b'\x7fELF'"),
    (lambda plan: b"vtrt" + plan[4:], "the plan was built by TensorRT for RTX"),
    (lambda plan: plan[:24] + b"\x08\x06\x02\x03" + plan[28:], "the plan was built by TensorRT 8.6.2, this is"),
    (lambda plan: plan[:-9], "remaining >= size failed"),
    (lambda plan: plan[:40] + b"\0\0\0\0" + plan[44:], "remaining >= size failed"),
], ids=["empty", "header", "no plan", "rtx", "version", "torn", "spoilt"])  # fmt: skip
def test_a_plan_that_its_record_vouches_for_but_tensorrt_cannot_read(
    opens: Opens, stand_in: StandIn, untested: EngineCache, change: Callable[[bytes], bytes], sentence: str
) -> None:
    _replace_plan(untested, change)

    _refuses(opens, stand_in, sentence)


def test_a_plan_that_tensorrt_says_is_of_another_device_is_to_be_built_again(
    opens: Opens, stand_in: StandIn, untested: EngineCache, engines_for: EnginesFor
) -> None:
    foreign = EngineCache(engines_for(stand_in.version, RTX_4090))  # type: ignore[arg-type]
    plan = foreign.read_plan(_record(foreign))
    _replace_plan(untested, lambda _: plan)

    _refuses(
        opens, stand_in, f"TensorRT {stand_in.tensorrt.__version__} refuses the engine of backbone.onnx",
        "incompatible device", "build the engine again on this device: hyperflow-export engine --force",
    )  # fmt: skip


def test_an_engine_with_other_inputs_than_the_manifest_says(
    opens: Opens, stand_in: StandIn, untested: EngineCache
) -> None:
    drift = untested.read_plan(_record(untested, "adapt"))
    _replace_plan(untested, lambda _: drift)

    _refuses(
        opens, stand_in, "the engine of backbone.onnx has inputs (", "'labels_onehot'", "expected ('images', 'theta')"
    )


def test_an_engine_with_other_shapes_than_the_manifest_says(opens: Opens, stand_in: StandIn, bundle: Bundle) -> None:
    other = replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, feature_dim=17))

    with pytest.raises(EngineError) as raised:
        opens(of=other)
    assert "the engine of backbone.onnx: output features is" in str(raised.value)
    assert "(-1, 16), the manifest says float32 (None, 17); build it again" in str(raised.value)
