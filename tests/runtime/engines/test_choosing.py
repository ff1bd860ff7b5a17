"""Which engine a device may run, and what is said when there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import choose_engine, engines_of, graph_bytes, has_engines
from hyperflow_runtime.engines.key import DeviceIdentity, EngineKey
from hyperflow_runtime.engines.record import EngineRecord, SelfTest
from hyperflow_runtime.errors import EngineError

MakeKey = Callable[..., EngineKey]
Put = Callable[..., EngineRecord]


def choose(bundle: Bundle, cache: EngineCache, device: DeviceIdentity, **options: Any) -> EngineRecord:
    return choose_engine(
        bundle, "backbone", cache, library="tensorrt", version="10.3.0", device=device, **options
    )  # fmt: skip


def test_the_two_graphs_are_told_apart(bundle: Bundle) -> None:
    assert graph_bytes(bundle, "backbone") == bundle.backbone_onnx
    assert graph_bytes(bundle, "adapt") == bundle.adapt_onnx


def test_both_graphs_must_be_built(bundle: Bundle, cache: EngineCache, make_key: MakeKey, put: Put) -> None:
    assert not has_engines(bundle, cache)
    put(make_key("backbone"))
    assert not has_engines(bundle, cache)
    put(make_key("adapt"))
    put(make_key("adapt", graph_sha256="0" * 64))
    assert has_engines(bundle, cache)
    assert {record.key.graph for record in engines_of(bundle, cache)} == {"adapt", "backbone"}
    assert len(engines_of(bundle, cache)) == 2


def test_an_engine_that_passed_here_is_chosen(
    bundle: Bundle, cache: EngineCache, make_key: MakeKey, put: Put, orin: DeviceIdentity
) -> None:
    tested = cache.set_self_test(put(make_key()), SelfTest(orin, bundle.sha256, passed=True))

    assert choose(bundle, cache, orin) == tested


def test_an_engine_that_was_compared_nowhere_or_elsewhere_is_refused(
    bundle: Bundle, cache: EngineCache, make_key: MakeKey, put: Put, orin: DeviceIdentity
) -> None:
    record = put(make_key())
    sentence = r"was never compared on Orin \(8\.7, 16 SMs\); hyperflow-export verify .* --backend tensorrt"
    with pytest.raises(EngineError, match=sentence):
        choose(bundle, cache, orin)
    assert choose(bundle, cache, orin, tested_only=False) == record

    cache.set_self_test(record, SelfTest(DeviceIdentity("Orin", "8.7", 8), bundle.sha256, passed=True))
    with pytest.raises(EngineError, match=sentence):
        choose(bundle, cache, orin)


def test_an_engine_that_failed_here_is_refused(
    bundle: Bundle, cache: EngineCache, make_key: MakeKey, put: Put, orin: DeviceIdentity
) -> None:
    cache.set_self_test(put(make_key()), SelfTest(orin, bundle.sha256, passed=False))

    with pytest.raises(EngineError, match=r"gave other results than the bundle's reference data.*onnxruntime"):
        choose(bundle, cache, orin)


def test_no_engine_at_all_is_said(bundle: Bundle, cache: EngineCache, orin: DeviceIdentity) -> None:
    with pytest.raises(
        EngineError, match=r"no engine of .*backbone\.onnx for TensorRT 10\.3\.0 on Orin .*none at all in"
    ):
        choose(bundle, cache, orin)


def test_engines_for_others_are_named(
    bundle: Bundle, cache: EngineCache, make_key: MakeKey, put: Put, orin: DeviceIdentity
) -> None:
    put(make_key(library="tensorrt_rtx", library_version="1.7.1", device=None, compute_capabilities=("8.6",)))

    with pytest.raises(EngineError, match=r"there are engines of TensorRT for RTX 1\.7\.1 on 8\.6"):
        choose(bundle, cache, orin)
