"""Builds that fail, are stopped, or give another precision: a reason, a next move, and a cache as it was."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from stand_in import StandIn

from hyperflow_export.engine import interruption
from hyperflow_export.engine.ensuring import Ensured
from hyperflow_export.errors import EngineBuildError, PrecisionError
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.errors import BackendError

Builds = Callable[..., Ensured]
IMPLEMENTATION = (
    "Error Code 10: Internal Error (Could not find any implementation for node {ForeignNode[conv1...relu]}.)"
)
NO_MEMORY = "Error Code 1: OutOfMemory (no further information)"


def _files(cache: EngineCache) -> dict[str, bytes]:
    paths = cache.folder.iterdir() if cache.folder.exists() else ()
    return {path.name: path.read_bytes() for path in paths if path.suffix != ".lock"}


@pytest.mark.parametrize(("fault", "reason", "sentences"), [
    ("build", IMPLEMENTATION, ("cannot build backbone.onnx", "--workspace-mib")),
    ("build", NO_MEMORY, ("cannot build backbone.onnx", "close other programs, add swap", "--optimisation-level 1")),
    ("builder", "CUDA initialization failure with error: 35 (driver version is insufficient)",
     ("cannot be started", "hyperflow-runtime doctor tells what is missing")),
    ("parse", "In node 3 (importConv): UNSUPPORTED_NODE", ("cannot parse backbone.onnx", "export the bundle again")),
])  # fmt: skip
def test_a_build_that_fails_gives_the_reason_and_leaves_the_cache_as_it_was(
    builds: Builds, stand_in: StandIn, cache: EngineCache, fault: str, reason: str, sentences: tuple[str, ...]
) -> None:
    builds()
    before = _files(cache)
    setattr(stand_in.faults, fault, reason)

    with pytest.raises(EngineBuildError) as raised:
        builds(force=True)

    said = str(raised.value)
    wanted = (f"TensorRT {stand_in.tensorrt.__version__}", reason, *sentences)
    assert [sentence for sentence in wanted if sentence not in said] == [], said
    assert _files(cache) == before


def test_a_device_without_memory_for_a_context_is_named(builds: Builds, stand_in: StandIn, cache: EngineCache) -> None:
    stand_in.faults.no_context = True

    with pytest.raises(BackendError, match=r"Orin \(nvgpu\).* gives no CUDA context .*out of memory"):
        builds()
    assert _files(cache) == {}


def test_an_engine_that_cannot_be_read_again_is_not_kept(builds: Builds, stand_in: StandIn, cache: EngineCache) -> None:
    stand_in.faults.deserialise = NO_MEMORY

    with pytest.raises(PrecisionError, match=r"cannot read its own engine of backbone\.onnx again") as raised:
        builds()
    assert NO_MEMORY in str(raised.value)
    assert [record.key.graph for record in cache.records()] == []


def _layers(*kinds: str) -> str:
    def layer(number: int, kind: str) -> dict[str, Any]:
        tensors = [{"Name": "t", "Format/Datatype": f"Row major linear {kind}"}]
        return {"Name": f"conv{number}", "LayerType": "Convolution", "Inputs": tensors, "Outputs": tensors}

    return json.dumps({"Layers": [layer(number, kind) for number, kind in enumerate(kinds)], "Bindings": []})


@pytest.mark.parametrize(("bundle_name", "information", "sentence"), [
    ("bundle", _layers("FP32", "FP16"), "computes in 1 fp32, 1 fp16, but should be fp32"),
    ("half_bundle", _layers("FP32", "FP32"), r"no layer of the engine of backbone\.onnx computes in fp16 \(2 fp32\)"),
    ("half_bundle", _layers("FP16", "Int8"), "but should be fp16"),
    ("half_bundle", '{"Layers": ["conv1", "conv2"]}', "does not tell its layers' precision, so fp16 is unproven"),
    ("int8_bundle", _layers("FP16", "FP32"), r"no layer of the engine of backbone\.onnx computes in int8"),
])  # fmt: skip
def test_an_engine_that_reports_another_precision_is_not_kept(
    builds: Builds, stand_in: StandIn, cache: EngineCache, request: pytest.FixtureRequest, bundle_name: str,
    information: str, sentence: str,
) -> None:  # fmt: skip
    made: Bundle = request.getfixturevalue(bundle_name)
    stand_in.faults.layer_information = information

    with pytest.raises(PrecisionError, match=sentence):
        builds(made)
    assert [record.key.graph for record in cache.records()] == []


@pytest.mark.parametrize(("bundle_name", "graph", "narrowest"), [
    ("bundle", "backbone", "fp32"), ("half_bundle", "backbone", "fp16"), ("half_bundle", "adapt", "fp16"),
    ("int8_bundle", "backbone", "int8"), ("int8_bundle", "adapt", "fp16"),
])  # fmt: skip
def test_every_precision_is_built_and_its_layers_are_counted(
    builds: Builds, request: pytest.FixtureRequest, bundle_name: str, graph: str, narrowest: str
) -> None:
    built = builds(request.getfixturevalue(bundle_name), graph)

    assert built.record.precisions[narrowest] > 0
    order = ["int8", "fp16", "fp32"]
    assert set(built.record.precisions) <= set(order[order.index(narrowest) :])


class Heard:
    """Listens to phases."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, str | None]] = []
        self.steps: dict[str, list[int]] = {}
        self.n_steps: dict[str, int] = {}
        self.finished: list[str] = []

    def start(self, phase: str, parent: str | None, n_steps: int) -> None:
        self.phases.append((phase, parent))
        self.n_steps[phase] = n_steps

    def step(self, phase: str, step: int) -> None:
        self.steps.setdefault(phase, []).append(step)

    def finish(self, phase: str) -> None:
        self.finished.append(phase)


class Presses(Heard):
    """Presses Ctrl-C at the first step, and waits until it was seen."""

    def __init__(self, seen: Event) -> None:
        super().__init__()
        self._seen = seen

    def step(self, phase: str, step: int) -> None:
        super().step(phase, step)
        os.kill(os.getpid(), signal.SIGINT)
        assert self._seen.wait(30)


def test_a_listener_hears_every_phase_and_step(builds: Builds) -> None:
    heard = Heard()

    builds(listener=heard)

    assert heard.phases == [("Building Engine", None), ("Tactic timing", "Building Engine")]
    assert heard.finished == ["Tactic timing", "Building Engine"]
    assert {phase: len(steps) for phase, steps in heard.steps.items()} == heard.n_steps


def test_ctrl_c_stops_the_build_at_the_next_step_and_leaves_nothing_behind(
    builds: Builds, stand_in: StandIn, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Event()
    heard = Presses(seen)
    monkeypatch.setattr(interruption, "Event", lambda: seen)

    with pytest.raises(KeyboardInterrupt):
        builds(listener=heard)

    assert _files(cache) == {}
    assert heard.steps == {"Tactic timing": [0]}
    assert heard.finished == ["Tactic timing", "Building Engine"]
    stand_in.check(nothing_left=True)
