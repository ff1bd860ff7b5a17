"""What the doctor says of the engine cache: real files in a real folder, for devices that need not be there."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hyperflow_runtime.doctor.engine_cache import examine_engine_cache
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.key import DeviceIdentity, EngineKey
from hyperflow_runtime.engines.record import EngineRecord, SelfTest

ORIN, XAVIER = DeviceIdentity("Orin", "8.7", 8), DeviceIdentity("Xavier", "7.2", 8)
PLAN = b"ftrt" + bytes(60)


def stored(cache: EngineCache, self_test: SelfTest | None = None, **changes: Any) -> EngineRecord:
    key = EngineKey(
        graph="backbone", graph_sha256="0" * 64, library="tensorrt", library_version="10.3.0",
        compute_capabilities=("8.7",), device=ORIN, precision="fp32", profiles=(), workspace_mib=512,
        optimisation_level=3,
    )  # fmt: skip
    record = EngineRecord(
        key=msgspec.structs.replace(key, **changes), bundle_name="desk", plan_sha256=hashlib.sha256(PLAN).hexdigest(),
        size_bytes=len(PLAN), build_seconds=1.0, created="2026-01-01T00:00:00Z", precisions={}, self_test=self_test,
    )  # fmt: skip
    cache.store(record, PLAN)
    return record


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache")


PASSED = SelfTest(ORIN, "1" * 64, passed=True)


@pytest.mark.parametrize(
    ("self_test", "changes", "status", "ending"),
    [
        (PASSED, {}, "ok", "; compared here"),
        (None, {}, "note", "; never compared here"),
        (SelfTest(XAVIER, "1" * 64, passed=True), {}, "note", "; never compared here"),
        (SelfTest(ORIN, "1" * 64, passed=False), {}, "problem", "; gave wrong results"),
        (PASSED, {"library_version": "10.0.1"}, "note", "; stale"),
        (PASSED, {"device": XAVIER, "compute_capabilities": ("7.2",)}, "note", "; stale"),
        (PASSED, {"device": None, "compute_capabilities": ("8.6", "8.7")}, "ok", "; compared here"),
        (PASSED, {"device": None, "compute_capabilities": ("8.6",)}, "note", "; stale"),
    ],
)
def test_each_engine_is_judged_for_this_device(
    self_test: SelfTest | None, changes: dict[str, Any], status: str, ending: str, cache: EngineCache
) -> None:
    stored(cache, self_test, **changes)

    folder, engine = examine_engine_cache(cache, [ORIN], {"tensorrt": "10.3.0"})

    assert folder.status == "ok"
    assert engine.status == status
    assert engine.value.startswith("desk/backbone.onnx, TensorRT ")
    assert engine.value.endswith(ending)


def test_a_stale_engine_is_named_by_its_files_and_what_is_here(cache: EngineCache) -> None:
    record = stored(cache, library_version="10.0.1")

    advice = str(examine_engine_cache(cache, [ORIN], {"tensorrt": "10.3.0"})[1].advice)

    assert advice.startswith("here is TensorRT 10.3.0 on Orin (8.7, 8 SMs); if nothing else uses it, delete ")
    assert str(cache.plan_path(record.key)) in advice


def test_engines_are_not_judged_without_a_gpu(cache: EngineCache) -> None:
    stored(cache)

    assert examine_engine_cache(cache, [], {})[1].value.endswith("; not to be judged without TensorRT and a GPU")


def test_an_empty_cache_is_told_how_to_be_filled_where_that_helps(cache: EngineCache) -> None:
    assert examine_engine_cache(cache, [], {})[1].status == "ok"
    with_gpu = examine_engine_cache(cache, [ORIN], {"tensorrt": "10.3.0"})[1]
    assert with_gpu.advice == "to run a bundle in TensorRT, on this device: hyperflow-export engine BUNDLE"
    assert "not made yet" in examine_engine_cache(cache, [], {})[0].value


def test_a_cache_that_others_may_write_is_a_problem(cache: EngineCache) -> None:
    stored(cache)
    cache.folder.chmod(0o777)

    engines = examine_engine_cache(cache, [ORIN], {"tensorrt": "10.3.0"})[1]

    assert engines.status == "problem"
    assert "may be written by other users" in engines.value


def test_a_record_that_is_garbled_is_no_engine(cache: EngineCache) -> None:
    record = stored(cache)
    cache.plan_path(record.key).with_suffix(".json").write_bytes(b"{")

    assert examine_engine_cache(cache, [ORIN], {"tensorrt": "10.3.0"})[1].value == "none"
