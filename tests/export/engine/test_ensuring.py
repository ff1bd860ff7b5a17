"""Found or built: the cache in the hands of the builder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hyperflow_export.engine.ensuring import Ensured, ensure_engine, plan_engine
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target
from hyperflow_export.errors import EngineBuildError, PrecisionError
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.folder import only_one
from hyperflow_runtime.engines.key import DeviceIdentity
from hyperflow_runtime.engines.record import SelfTest

COMMAND = "from hyperflow_export.commands.main import main; main()"


@pytest.fixture
def built(bundle: Bundle, target: Target, cache: EngineCache) -> Ensured:
    """The backbone's engine, built just now."""
    return ensure_engine(bundle, "backbone", target, BuildSettings(), cache)


@pytest.mark.tensorrt
def test_an_engine_is_built_once(bundle: Bundle, target: Target, cache: EngineCache, built: Ensured) -> None:
    again = ensure_engine(bundle, "backbone", target, BuildSettings(), cache)

    assert built.was_built
    assert built.reason == f"no engine of backbone.onnx in {cache.folder}"
    assert (again.was_built, again.reason, again.record, again.path) == (False, "", built.record, built.path)
    assert built.record.key.device is None
    assert built.record.self_test is None
    assert cache.read_plan(built.record)[:4] == b"vtrt"


@pytest.mark.tensorrt
def test_other_settings_ask_for_another_engine_and_say_why(
    bundle: Bundle, target: Target, cache: EngineCache, built: Ensured
) -> None:
    plan = plan_engine(bundle, "backbone", target, BuildSettings(256, 5), cache)

    assert plan.cached is None
    assert plan.reason == "workspace mib 512 -> 256; optimisation level 3 -> 5"


@pytest.mark.tensorrt
def test_force_builds_again_and_forgets_the_verdict(
    bundle: Bundle, target: Target, cache: EngineCache, built: Ensured
) -> None:
    cache.set_self_test(built.record, SelfTest(DeviceIdentity("RTX 3060", "8.6", 28), bundle.sha256, passed=False))

    again = ensure_engine(bundle, "backbone", target, BuildSettings(), cache, force=True)

    assert (again.was_built, again.reason, again.record.self_test) == (True, "--force", None)


@pytest.mark.tensorrt
def test_a_torn_plan_is_built_again(bundle: Bundle, target: Target, cache: EngineCache, built: Ensured) -> None:
    built.path.write_bytes(built.path.read_bytes()[:-100])

    again = ensure_engine(bundle, "backbone", target, BuildSettings(), cache)

    assert again.was_built
    assert "is torn or was changed" in again.reason
    cache.read_plan(again.record)


@pytest.mark.tensorrt
def test_what_was_asked_for_last_is_what_a_device_uses(
    bundle: Bundle, target: Target, cache: EngineCache, built: Ensured
) -> None:
    device, library = DeviceIdentity("RTX 3060", "8.6", 28), target.library
    where = ("backbone", built.record.key.graph_sha256, library.name, library.version, device)
    other = ensure_engine(bundle, "backbone", target, BuildSettings(optimisation_level=5), cache)
    assert cache.newest(*where) == other.record

    again = ensure_engine(bundle, "backbone", target, BuildSettings(), cache)

    assert not again.was_built
    assert cache.newest(*where) == again.record


@pytest.mark.tensorrt
def test_who_waited_uses_what_the_other_built_even_when_told_to_build(
    bundle: Bundle, target: Target, cache: EngineCache, built: Ensured
) -> None:
    holder = only_one(cache.lock_path(built.record.key))
    holder.__enter__()
    waited: list[bool] = []

    def other_ends() -> None:
        waited.append(True)
        holder.__exit__(None, None, None)

    again = ensure_engine(bundle, "backbone", target, BuildSettings(), cache, force=True, waiting=other_ends)

    assert waited == [True]
    assert not again.was_built


@pytest.mark.tensorrt
def test_two_processes_at_once_build_one_engine(tiny_bundle: Path, target: Target, tmp_path: Path) -> None:
    words = ["engine", tiny_bundle, "--target", "rtx", "--compute-capability", "86", "--cache", tmp_path, "--json"]
    command = [sys.executable, "-c", COMMAND, *map(str, words)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in running]

    assert [process.returncode for process in running] == [0, 0]
    for graph in range(2):
        first, second = (result["engines"][graph] for result in results)
        assert sorted([first["was_built"], second["was_built"]]) == [False, True]
        assert first["record"]["plan_sha256"] == second["record"]["plan_sha256"]


@pytest.mark.tensorrt
def test_a_build_that_fails_leaves_the_cache_as_it_was(
    bundle: Bundle, half_bundle: Bundle, claims: object, target: Target, cache: EngineCache, built: Ensured
) -> None:
    before = {path.name: path.read_bytes() for path in cache.folder.iterdir() if path.suffix != ".lock"}

    with pytest.raises(PrecisionError):
        ensure_engine(claims(half_bundle, "fp32"), "backbone", target, BuildSettings(), cache)  # type: ignore[operator]

    assert {path.name: path.read_bytes() for path in cache.folder.iterdir() if path.suffix != ".lock"} == before


@pytest.mark.parametrize(("settings", "sentence"), [
    ({"workspace_mib": 15}, "workspace_mib must be 16..65536, got 15"),
    ({"workspace_mib": 2**20}, "workspace_mib must be 16..65536, got 1048576"),
    ({"optimisation_level": 6}, "optimisation_level must be 0..5, got 6"),
    ({"optimisation_level": -1}, "optimisation_level must be 0..5, got -1"),
])  # fmt: skip
def test_settings_out_of_range_are_refused(settings: dict[str, int], sentence: str) -> None:
    with pytest.raises(EngineBuildError, match=sentence):
        BuildSettings(**settings)  # type: ignore[arg-type]
