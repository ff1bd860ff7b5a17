"""The cache: what is found, what is refused, and why something is not there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from hyperflow_runtime.engines.cache import EngineCache, default_cache_folder, runs_on
from hyperflow_runtime.engines.key import DeviceIdentity, EngineKey
from hyperflow_runtime.engines.record import EngineRecord, SelfTest
from hyperflow_runtime.errors import EngineError

MakeKey = Callable[..., EngineKey]
Put = Callable[..., EngineRecord]


def test_the_default_folder_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HYPERFLOW_ENGINE_CACHE", str(tmp_path / "mine"))
    assert EngineCache().folder == tmp_path / "mine"
    monkeypatch.delenv("HYPERFLOW_ENGINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "hyperflow/engines"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache_folder() == Path.home() / ".cache/hyperflow/engines"


def test_what_was_stored_is_found_and_is_nothing_but_the_plan(cache: EngineCache, make_key: MakeKey, put: Put) -> None:
    record = put(make_key(), b"the plan's bytes")

    assert cache.find(make_key()) == record
    assert cache.read_plan(record) == b"the plan's bytes"
    assert cache.plan_path(record.key).read_bytes() == b"the plan's bytes"


def test_another_key_is_not_found(cache: EngineCache, make_key: MakeKey, put: Put) -> None:
    put(make_key())

    assert cache.find(make_key(workspace_mib=256)) is None
    assert EngineCache(cache.folder / "elsewhere").find(make_key()) is None


def test_the_reason_names_the_engine_most_alike(cache: EngineCache, make_key: MakeKey, put: Put) -> None:
    assert cache.why_absent(make_key()) == f"no engine of backbone.onnx in {cache.folder}"
    put(make_key(library_version="10.0.1", workspace_mib=256, graph_sha256="0" * 64))
    put(make_key(library_version="10.0.1"))
    put(make_key("adapt"))

    assert cache.why_absent(make_key()) == "library version 10.0.1 -> 10.3.0"


@pytest.mark.parametrize("spoil", [
    lambda path: path.write_bytes(path.read_bytes()[:-1]),
    lambda path: path.write_bytes(path.read_bytes().replace(b"a", b"b")),
])  # fmt: skip
def test_a_torn_or_changed_plan_is_refused(
    cache: EngineCache, make_key: MakeKey, put: Put, spoil: Callable[[Path], None]
) -> None:
    record = put(make_key(), b"a plan")
    spoil(cache.plan_path(record.key))

    with pytest.raises(EngineError, match=r"is torn or was changed: \d bytes, expected 6 .*--force"):
        cache.read_plan(record)


def test_a_missing_plan_is_refused(cache: EngineCache, make_key: MakeKey, put: Put) -> None:
    record = put(make_key())
    cache.plan_path(record.key).unlink()

    with pytest.raises(EngineError, match=r"No such file or directory.*build it again: hyperflow-export engine"):
        cache.read_plan(record)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'{"key": 3}', b"\xff\xfe", b"x" * (2**20 + 1)])
def test_a_record_that_cannot_be_read_is_as_good_as_absent(
    cache: EngineCache, make_key: MakeKey, put: Put, data: bytes
) -> None:
    record = put(make_key())
    cache.plan_path(record.key).with_suffix(".json").write_bytes(data)

    assert cache.find(make_key()) is None
    assert cache.records() == []


def test_a_record_with_an_unknown_precision_or_field_is_no_record(
    cache: EngineCache, make_key: MakeKey, put: Put
) -> None:
    path = cache.plan_path(put(make_key()).key).with_suffix(".json")
    plain = json.loads(path.read_text())
    for spoilt in ({**plain, "more": 1}, {**plain, "key": {**plain["key"], "precision": "fp7"}}):
        path.write_text(json.dumps(spoilt))
        assert cache.records() == []


def test_a_record_under_the_name_of_another_key_is_no_record(cache: EngineCache, make_key: MakeKey, put: Put) -> None:
    old, new = make_key(library_version="10.0.1"), make_key()
    put(old)
    os.rename(cache.plan_path(old).with_suffix(".json"), cache.plan_path(new).with_suffix(".json"))

    assert cache.find(new) is None
    assert cache.records() == []


def test_a_folder_in_the_place_of_a_record_is_no_record(cache: EngineCache, make_key: MakeKey) -> None:
    cache.plan_path(make_key()).with_suffix(".json").mkdir(parents=True)

    assert cache.records() == []


def test_a_cache_that_others_may_write_is_refused(cache: EngineCache, make_key: MakeKey, put: Put) -> None:
    put(make_key())
    cache.folder.chmod(0o777)

    for use in (cache.records, lambda: cache.find(make_key()), lambda: put(make_key())):
        with pytest.raises(EngineError, match="may be written by other users"):
            use()


def test_a_verdict_is_kept_with_the_engine(
    cache: EngineCache, make_key: MakeKey, put: Put, orin: DeviceIdentity
) -> None:
    test = SelfTest(orin, "0" * 64, passed=False)

    tested = cache.set_self_test(put(make_key()), test)

    assert tested.self_test == test
    assert cache.find(make_key()) == tested


def test_a_new_engine_for_the_same_key_takes_the_place_of_the_old(
    cache: EngineCache, make_key: MakeKey, put: Put, orin: DeviceIdentity
) -> None:
    cache.set_self_test(put(make_key(), b"old"), SelfTest(orin, "0" * 64, passed=False))
    record = put(make_key(), b"new")

    assert cache.records() == [record]
    assert cache.read_plan(record) == b"new"
    assert record.self_test is None


def test_the_newest_engine_that_runs_here_is_chosen(
    cache: EngineCache, make_key: MakeKey, put: Put, orin: DeviceIdentity
) -> None:
    key = make_key()
    where = ("backbone", key.graph_sha256, "tensorrt", "10.3.0", orin)
    assert cache.newest(*where) is None  # type: ignore[arg-type]
    put(make_key(optimisation_level=1), created="2026-01-03T00:00:00+00:00")
    old = put(key, created="2026-01-02T00:00:00+00:00")
    put(make_key(device=DeviceIdentity("Orin", "8.7", 8)), created="2026-01-04T00:00:00+00:00")
    put(make_key(library_version="10.13.3"), created="2026-01-05T00:00:00+00:00")

    newest = cache.newest(*where)  # type: ignore[arg-type]
    assert newest is not None
    assert newest.key.optimisation_level == 1

    preferred = cache.prefer(old, "2026-01-06T00:00:00+00:00")
    assert cache.newest(*where) == preferred  # type: ignore[arg-type]
    assert msgspec.structs.replace(preferred, created=old.created) == old


def test_an_engine_made_ahead_runs_on_every_device_of_its_capabilities(make_key: MakeKey) -> None:
    ahead = make_key(library="tensorrt_rtx", device=None, compute_capabilities=("8.6", "8.9"))

    assert runs_on(ahead, DeviceIdentity("RTX 3060", "8.6", 28))
    assert runs_on(ahead, DeviceIdentity("RTX 4090", "8.9", 128))
    assert not runs_on(ahead, DeviceIdentity("Orin", "8.7", 16))


def test_a_timing_cache_is_of_one_library_version_and_device(cache: EngineCache, orin: DeviceIdentity) -> None:
    paths = {
        cache.timing_path("tensorrt", "10.3.0", orin),
        cache.timing_path("tensorrt", "10.13.3", orin),
        cache.timing_path("tensorrt_rtx", "10.3.0", orin),
        cache.timing_path("tensorrt", "10.3.0", DeviceIdentity("../Orin", "8.7", 8)),
    }

    assert len(paths) == 4
    assert {path.parent for path in paths} == {cache.folder}
