"""The stand-in has the names of each version, and no others, and takes calls as the bindings take them."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from stand_in import TENSORRT_VERSIONS, StandIn, members_of, pycuda_table, tensorrt_table
from stand_in.bindings import Actor
from stand_in.building import Builder, Config, Profile, TimingCache
from stand_in.cuda_objects import Context, Device, Event, Stream
from stand_in.execution import ExecutionContext
from stand_in.network import Layer, Network, OnnxParser, ParserError, Tensor
from stand_in.running import Engine, Inspector, Runtime
from stand_in.values import Dims, HostMemory

ACTORS: list[type[Actor]] = [
    Builder, Config, Dims, Engine, ExecutionContext, HostMemory, Inspector, Layer, Network, OnnxParser, ParserError,
    Profile, Runtime, Tensor, TimingCache,
]  # fmt: skip
INTERNAL = {"Engine": {"find", "session", "shape_range"}, "Network": {"fill"}}


def test_a_name_that_went_with_11_raises_in_11_alone(stand_in: StandIn) -> None:
    trt = stand_in.tensorrt
    names = ["BuilderFlag.FP16", "NetworkDefinitionCreationFlag.EXPLICIT_BATCH", "IInt8EntropyCalibrator2"]

    def has(path: str) -> bool:
        try:
            owner = trt
            for part in path.split("."):
                owner = getattr(owner, part)
        except AttributeError:
            return False
        return True

    assert [has(name) for name in names] == [stand_in.version != "11.4"] * 3


def test_a_name_that_went_with_10_raises_everywhere(stand_in: StandIn) -> None:
    for owner, name in (("ICudaEngine", "num_bindings"), ("IExecutionContext", "execute_async_v2")):
        with pytest.raises(AttributeError, match=name):
            getattr(getattr(stand_in.tensorrt, owner), name)


def test_an_object_has_no_name_that_its_class_has_not(stand_in: StandIn, logger: Any) -> None:
    builder = stand_in.tensorrt.Builder(logger)

    with pytest.raises(AttributeError, match="max_batch_size"):
        builder.max_batch_size = 1
    with pytest.raises(AttributeError, match="max_workspace_size"):
        builder.create_builder_config().max_workspace_size = 1 << 20
    with pytest.raises(AttributeError, match="build_engine"):
        builder.build_engine(None, None)


def test_a_property_that_is_only_read_cannot_be_set(stand_in: StandIn, logger: Any) -> None:
    with pytest.raises(AttributeError):
        stand_in.tensorrt.Builder(logger).create_builder_config().num_optimization_profiles = 3


def test_a_call_that_the_signature_does_not_take_is_refused(stand_in: StandIn, logger: Any) -> None:
    trt = stand_in.tensorrt
    builder = trt.Builder(logger)
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()

    calls: list[Callable[[], Any]] = [
        lambda: builder.create_network(flag=0),
        lambda: builder.create_network(0, 0),
        lambda: builder.create_network("0"),
        lambda: builder.create_network(0.0),
        lambda: config.set_memory_pool_limit(2, 1 << 20),
        lambda: config.create_timing_cache("text"),
        lambda: profile.set_shape("images", (1, 2), (1, 2)),
        lambda: profile.set_shape("images", "12", "12", "12"),
        lambda: trt.OnnxParser(None, None, None),
        lambda: trt.Builder(),
        lambda: trt.Builder("logger"),
    ]
    for call in calls:
        with pytest.raises(TypeError, match="incompatible function arguments"):
            call()


def test_arguments_may_be_named_in_any_order(stand_in: StandIn, logger: Any) -> None:
    profile = stand_in.tensorrt.Builder(logger).create_optimization_profile()

    profile.set_shape(max=(8, 3), input="images", opt=[4, 3], min=(1, 3))

    assert [tuple(shape) for shape in profile.get_shape("images")] == [(1, 3), (4, 3), (8, 3)]


def test_what_the_library_makes_cannot_be_made_by_hand(stand_in: StandIn) -> None:
    with pytest.raises(TypeError, match="No constructor defined"):
        stand_in.tensorrt.ICudaEngine()


def test_a_derived_logger_must_initialise_its_base(stand_in: StandIn) -> None:
    class Logger(stand_in.tensorrt.ILogger):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            pass

    with pytest.raises(TypeError, match="must be called when overriding __init__"):
        Logger()


def test_what_is_not_acted_says_so(stand_in: StandIn, logger: Any) -> None:
    builder = stand_in.tensorrt.Builder(logger)
    network, config = builder.create_network(0), builder.create_builder_config()

    with pytest.raises(NotImplementedError, match=r"Builder.is_network_supported exists, but the stand-in"):
        builder.is_network_supported(network, config)


@pytest.mark.parametrize("actor", ACTORS, ids=lambda actor: actor.__name__)
def test_an_actor_acts_only_what_some_version_has(actor: type[Actor]) -> None:
    tables = [tensorrt_table(version) for version in TENSORRT_VERSIONS]
    names = {name for table in tables for name in members_of(table, actor.binds)}
    functions = {name for name, _ in inspect.getmembers(actor, callable) if not name.startswith("_")}
    properties = {name for name, _ in inspect.getmembers(actor, lambda thing: isinstance(thing, property))}

    assert (functions | properties) - names == INTERNAL.get(actor.__name__, set())


@pytest.mark.parametrize("base", [Context, Device, Event, Stream], ids=lambda base: base.__name__)
def test_a_class_of_pycuda_acts_only_what_pycuda_has(base: type) -> None:
    described = pycuda_table()["classes"][base.__name__]

    names = {name for name in dir(base) if not name.startswith("_")}

    assert names <= described["methods"].keys() | set(described["properties"])


def test_pycuda_has_the_names_of_its_table_and_no_others(stand_in: StandIn) -> None:
    assert stand_in.driver.ctx_flags.MAP_HOST.name == "MAP_HOST"
    with pytest.raises(AttributeError):
        _ = stand_in.driver.Graph
    with pytest.raises(AttributeError):
        _ = stand_in.driver.device_attribute.NONSENSE
    with pytest.raises(NotImplementedError, match=r"pycuda.driver.memset_d32 exists"):
        stand_in.driver.memset_d32(0, 0, 0)


def test_fakes_are_what_an_import_finds(stand_in: StandIn) -> None:
    import pycuda.driver
    import tensorrt  # type: ignore[import-not-found]

    assert tensorrt is stand_in.tensorrt
    assert tensorrt.__version__ == tensorrt_table(stand_in.version)["version"]
    assert pycuda.driver is stand_in.driver


@pytest.mark.parametrize("version", ["10.3"])
def test_a_context_made_by_an_import_fails_the_test_even_if_swallowed(stand_in: StandIn) -> None:
    with suppress(Exception):
        importlib.import_module("pycuda.autoinit")

    assert "pycuda.autoinit" not in sys.modules
    with pytest.raises(AssertionError, match=r"pycuda\.autoinit was imported"):
        stand_in.check()
    stand_in.ledger.misuses.clear()
