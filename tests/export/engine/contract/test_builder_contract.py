"""One build on a device: what TensorRT is told, and what the cache holds afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from stand_in import ORIN_NANO, StandIn

from hyperflow_export.engine.ensuring import Ensured
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import this_device
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import GRAPHS
from hyperflow_runtime.engines.key import DeviceIdentity
from hyperflow_runtime.engines.plan_header import read_plan_header

Builds = Callable[..., Ensured]
HERE = DeviceIdentity(ORIN_NANO.name, "8.7", ORIN_NANO.n_multiprocessors)


class Told:
    """What a build told TensorRT: network flags, and the configuration as it was when the build began."""

    def __init__(self) -> None:
        self.network_flags: int = -1
        self.config: dict[str, Any] = {}
        self.profiles: list[dict[str, list[tuple[int, ...]]]] = []


@pytest.fixture
def told(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Listens to every build from now on."""
    told, trt = Told(), stand_in.tensorrt
    create, build, add = (
        trt.Builder.create_network, trt.Builder.build_serialized_network, trt.IBuilderConfig.add_optimization_profile
    )  # fmt: skip

    def create_network(shown: Any, *flags: int) -> Any:
        told.network_flags = flags[0] if flags else 0
        return create(shown, *flags)

    def build_serialized_network(shown: Any, network: Any, config: Any) -> Any:
        told.config = {
            "workspace": config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE),
            "level": config.builder_optimization_level,
            "tf32": config.get_flag(trt.BuilderFlag.TF32),
            "verbosity": config.profiling_verbosity,
            "has_timing_cache": config.get_timing_cache() is not None,
        }
        return build(shown, network, config)

    def add_optimization_profile(shown: Any, profile: Any) -> Any:
        named = ("images", "features", "labels_onehot")
        shapes = {name: [tuple(shape) for shape in profile.get_shape(name)] for name in named}
        told.profiles.append({name: found for name, found in shapes.items() if found})
        return add(shown, profile)

    monkeypatch.setattr(trt.Builder, "create_network", create_network)
    monkeypatch.setattr(trt.Builder, "build_serialized_network", build_serialized_network)
    monkeypatch.setattr(trt.IBuilderConfig, "add_optimization_profile", add_optimization_profile)
    return told


@pytest.mark.parametrize("graph", GRAPHS)
def test_an_engine_is_built_for_this_device_and_kept(
    builds: Builds, stand_in: StandIn, cache: EngineCache, graph: str
) -> None:
    built = builds(graph=graph)
    record = built.record

    assert built.was_built
    assert built.reason == f"no engine of {graph}.onnx in {cache.folder}"
    assert (record.key.device, record.key.compute_capabilities) == (HERE, ("8.7",))
    assert (record.key.library, record.key.library_version) == ("tensorrt", stand_in.tensorrt.__version__)
    assert record.self_test is None
    assert set(record.precisions) == {"fp32"}
    header = read_plan_header(cache.read_plan(record))
    assert (header.library, header.version) == ("tensorrt", this_device().library.version_numbers)


def test_a_network_is_strongly_typed_by_a_flag_only_before_version_11(
    builds: Builds, stand_in: StandIn, told: Told
) -> None:
    builds()

    flags = stand_in.tensorrt.NetworkDefinitionCreationFlag
    needs_flag = stand_in.version.startswith("10.")
    assert told.network_flags == (1 << int(flags.STRONGLY_TYPED) if needs_flag else 0)


@pytest.mark.parametrize(("workspace_mib", "level"), [(16, 0), (512, 3), (65536, 5)])
def test_the_settings_reach_tensorrt(
    builds: Builds, told: Told, stand_in: StandIn, workspace_mib: int, level: int
) -> None:
    builds(settings=BuildSettings(workspace_mib, level, use_timing_cache=False))

    assert told.config == {
        "workspace": workspace_mib * 2**20, "level": level, "tf32": False, "has_timing_cache": False,
        "verbosity": stand_in.tensorrt.ProfilingVerbosity.DETAILED,
    }  # fmt: skip


def test_the_backbone_has_a_profile_for_frames_and_one_for_the_support(builds: Builds, told: Told) -> None:
    builds()

    assert told.profiles == [
        {"images": [(1, 3, 32, 32), (1, 3, 32, 32), (4, 3, 32, 32)]},
        {"images": [(1, 3, 32, 32), (8, 3, 32, 32), (8, 3, 32, 32)]},
    ]


def test_the_drift_has_one_profile_up_to_the_limits(builds: Builds, told: Told, bundle: Bundle) -> None:
    builds(graph="adapt")

    limits = bundle.manifest.limits
    (profile,) = told.profiles
    assert profile["features"] == [(2, 16), (24, 16), (limits.max_support, 16)]
    assert profile["labels_onehot"] == [(2, 2), (24, 5), (limits.max_support, limits.max_ways)]


def test_a_second_build_finds_the_engine_and_asks_nothing_of_tensorrt(
    builds: Builds, stand_in: StandIn, told: Told
) -> None:
    first, told.network_flags = builds(), -1
    n_builders = stand_in.ledger.n_made("builder")

    again = builds()

    assert (again.was_built, again.reason, again.record) == (False, "", first.record)
    assert stand_in.ledger.n_made("builder") == n_builders
    assert told.network_flags == -1


def test_another_version_builds_again_and_says_why(
    builds: Builds, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = builds().record.key.library_version
    major, minor, patch, *_ = before.split(".")
    updated = f"{major}.{minor}.{int(patch) + 1}.0"
    monkeypatch.setattr(stand_in.tensorrt, "__version__", updated)

    again = builds()

    assert again.was_built
    assert again.reason == f"library version {before} -> {updated}"


def test_a_build_and_its_inspection_leave_nothing_on_the_gpu(builds: Builds, stand_in: StandIn) -> None:
    builds()

    assert stand_in.ledger.n_made("engine") == 1
    stand_in.check(nothing_left=True)
    assert stand_in.driver.Context.get_current() is None
