"""Real builds, ahead of time, by TensorRT for RTX."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import onnx
import pytest
from onnx import TensorProto, helper

from hyperflow_export.engine.building import build_plan
from hyperflow_export.engine.keys import engine_key
from hyperflow_export.engine.settings import BuildSettings
from hyperflow_export.engine.target import Target, ahead_of_time
from hyperflow_export.errors import EngineBuildError
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.choosing import GRAPHS, graph_bytes
from hyperflow_runtime.engines.key import EngineKey, GraphName, ShapeRange
from hyperflow_runtime.engines.plan_header import read_plan_header

pytestmark = pytest.mark.tensorrt

INTERRUPTED = """
import os, signal, sys
from hyperflow_export.commands.main import main

class Told:
    def __init__(self):
        self.n_presses = 2  # who sees no answer at once presses again

    def start(self, phase, parent, n_steps):
        if self.n_presses:
            self.n_presses -= 1
            os.kill(os.getpid(), signal.SIGINT)

    def step(self, phase, step): pass
    def finish(self, phase): pass

from contextlib import nullcontext
from hyperflow_export.engine import progress_display
progress_display.shown_phases = lambda console: nullcontext(Told())
main(["engine", sys.argv[1], "--target", "rtx", "--compute-capability", "86", "--cache", sys.argv[2]])
"""


def _key(bundle: Bundle, target: Target, graph: GraphName = "backbone", **changes: object) -> EngineKey:
    return msgspec.structs.replace(engine_key(bundle, graph, target, BuildSettings()), **changes)


class Heard:
    def __init__(self) -> None:
        self.phases: dict[str, tuple[str | None, int]] = {}
        self.steps: dict[str, list[int]] = {}
        self.finished: list[str] = []

    def start(self, phase: str, parent: str | None, n_steps: int) -> None:
        self.phases[phase] = (parent, n_steps)

    def step(self, phase: str, step: int) -> None:
        self.steps.setdefault(phase, []).append(step)

    def finish(self, phase: str) -> None:
        self.finished.append(phase)


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_plan_is_written_by_this_library_and_counts_its_products(
    bundle: Bundle, target: Target, graph: GraphName
) -> None:
    built = build_plan(_key(bundle, target, graph), graph_bytes(bundle, graph), target)

    header = read_plan_header(built.plan)
    assert (header.library, header.version) == ("tensorrt_rtx", target.library.version_numbers)
    assert set(built.precisions) == {"fp32"}
    model = onnx.load_from_string(graph_bytes(bundle, graph))
    n_products = sum(node.op_type in ("Conv", "MatMul", "Gemm") for node in model.graph.node)
    assert built.precisions["fp32"] == n_products
    assert built.seconds > 0


def test_one_plan_serves_several_capabilities_and_is_hardly_larger(bundle: Bundle, target: Target) -> None:
    every = ahead_of_time("75,80,86,89,120,121")
    one = build_plan(_key(bundle, target), bundle.backbone_onnx, target)
    many = build_plan(_key(bundle, every), bundle.backbone_onnx, every)

    assert every.compute_capabilities == ("7.5", "8.0", "8.6", "8.9", "12.0", "12.1")
    assert abs(len(many.plan) - len(one.plan)) < 0.01 * len(one.plan)


def test_a_drift_is_not_built_for_capability_75_and_the_way_out_is_named(bundle: Bundle, target: Target) -> None:
    turing = ahead_of_time("75,86")

    with pytest.raises(EngineBuildError, match=r"cannot build adapt\.onnx .*FP32 GEMM is not supported.*leave 75 out"):
        build_plan(_key(bundle, turing, "adapt"), bundle.adapt_onnx, turing)


def test_a_listener_hears_every_phase_begin_and_end(bundle: Bundle, target: Target) -> None:
    heard = Heard()

    build_plan(_key(bundle, target), bundle.backbone_onnx, target, listener=heard)

    assert set(heard.finished) == set(heard.phases)
    roots = [phase for phase, (parent, _) in heard.phases.items() if parent is None]
    assert roots
    for phase, steps in heard.steps.items():
        assert 0 <= min(steps) <= max(steps) < heard.phases[phase][1]


def test_what_is_no_onnx_is_refused(bundle: Bundle, target: Target) -> None:
    with pytest.raises(EngineBuildError, match=r"cannot parse backbone\.onnx: .*export the bundle again"):
        build_plan(_key(bundle, target), b"no onnx at all", target)


def test_an_operator_that_is_not_known_is_named_with_its_node(bundle: Bundle, target: Target) -> None:
    node = helper.make_node("Fancy", ["images"], ["features"], name="the_fancy_node", domain="nowhere")
    value = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, 32, 32])
    out = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 3, 32, 32])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nowhere", 1)]
    model = helper.make_model(helper.make_graph([node], "g", [value], [out]), opset_imports=opsets)

    with pytest.raises(EngineBuildError, match=r"node 'the_fancy_node' \(Fancy\)"):
        build_plan(_key(bundle, target), model.SerializeToString(), target)


def test_shapes_that_the_graph_cannot_have_are_refused_with_what_tensorrt_says(bundle: Bundle, target: Target) -> None:
    wrong = ShapeRange("images", (1, 3, 31, 31), (1, 3, 31, 31), (4, 3, 31, 31))

    with pytest.raises(EngineBuildError, match=r"cannot build backbone\.onnx .*profile has min=31"):
        build_plan(_key(bundle, target, profiles=((wrong,),)), bundle.backbone_onnx, target)


def test_a_range_that_shrinks_is_refused_with_its_shapes(bundle: Bundle, target: Target) -> None:
    wrong = ShapeRange("images", (4, 3, 32, 32), (2, 3, 32, 32), (1, 3, 32, 32))

    with pytest.raises(EngineBuildError, match=r"cannot be built for images \(4, 3, 32, 32\)\.\.\(1, 3, 32, 32\)"):
        build_plan(_key(bundle, target, profiles=((wrong,),)), bundle.backbone_onnx, target)


@pytest.mark.parametrize("text", ["87", "8.7", "foo", "", "86,,89", "86;89", "1234"])
def test_a_capability_that_is_not_built_for_is_refused_with_those_that_are(target: Target, text: str) -> None:
    with pytest.raises(EngineBuildError, match="it knows 75, 80, 86, 89, 120, 121"):
        ahead_of_time(text)


@pytest.mark.parametrize("text", ["89,86", "8.9,8.6", "sm_89, SM86", "86,89,8.6"])
def test_capabilities_may_be_written_as_usual(target: Target, text: str) -> None:
    assert ahead_of_time(text).compute_capabilities == ("8.6", "8.9")


def test_ctrl_c_stops_a_build_and_leaves_nothing_behind(tiny_bundle: Path, target: Target, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tiny_bundle), str(tmp_path / "engines")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert done.returncode == 130, done.stderr
    assert "Interrupted; nothing half-written was left in place." in done.stderr
    assert {path.suffix for path in (tmp_path / "engines").iterdir()} == {".lock"}
