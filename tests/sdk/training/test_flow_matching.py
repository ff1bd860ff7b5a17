"""Flow matching on real trajectories: it learns them, and refuses what does not fit."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save_file

from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.datasets.domain_split import DomainSplit
from hyperflow.errors import ConfigError, DataError, TrainingError
from hyperflow.images.image_set import open_image_set
from hyperflow.images.packed import PackedSet, pack
from hyperflow.training import drift_training
from hyperflow.training.drawn_episodes import EpisodeShape
from hyperflow.training.drift_training import TrainConfig, TrainPaths, train
from hyperflow.training.drift_weights import DriftWeights
from hyperflow.training.flow_matching import FlowMatching, FlowMatchingStage
from hyperflow.training.loop import LoopOptions
from hyperflow.training.refinement import Refinement
from hyperflow.training.validation import Validation
from hyperflow.training.workers import Workers
from hyperflow.trajectories.store import open_trajectories

ALONE = Workers(0, 1, torch.device("cpu"))
SPLIT = DomainSplit(meta_validation=("triangle",), pretraining_share=0.0)
FLOW = FlowMatching(n_steps=12, learning_rate=3e-3, tasks_per_step=2, times_per_task=4, shots=(1, 3), held_back=0.2)
REFINE = Refinement(n_steps=4, episodes=EpisodeShape(ways=(3, 4), shots=(1, 3), n_query=4, max_images=30))
CONFIG = TrainConfig(split=SPLIT, flow_matching=FLOW, refinement=None, validation=Validation(6, 2, 2, 9))


def _domains(shape_sets: Path, start: Path, cache: Path) -> list[PackedSet]:
    rule = load_checkpoint(start).config.preprocessing
    return [pack(open_image_set(shape_sets / name), rule, cache, size_px=36) for name in ("cross", "disc", "square")]


@pytest.mark.parametrize("objective", ["linear", "piecewise", "cubic"])
def test_a_field_learns_the_velocity_of_trajectories(
    objective: str, start: Path, trajectories: Path, shape_sets: Path, cache: Path
) -> None:
    model = load_checkpoint(start)
    store = open_trajectories(trajectories, model)
    weights = DriftWeights(model, ALONE, weight_decay=0.0, average_decay=0.0)
    config = msgspec.structs.replace(FLOW, objective=objective, n_steps=150, learning_rate=1e-2, held_back=0.0)
    stage = FlowMatchingStage(weights, _domains(shape_sets, start, cache), store, config, ALONE, seed=0)

    errors = [stage.step(index)["velocity_error"] for index in range(150)]

    assert errors[0] > 0.8  # a field that stands still misses all of the velocity, up to the spread of single draws
    assert sum(errors[-10:]) / 10 < 0.75 * sum(errors[:10]) / 10


def test_the_steps_of_a_matched_field_go_towards_the_end_of_trajectories(
    start: Path, trajectories: Path, shape_sets: Path, cache: Path
) -> None:
    model = load_checkpoint(start)
    weights = DriftWeights(model, ALONE, weight_decay=0.0, average_decay=0.0)
    config = msgspec.structs.replace(FLOW, n_steps=150, learning_rate=1e-2, held_back=0.5)
    store = open_trajectories(trajectories, model)
    stage = FlowMatchingStage(weights, _domains(shape_sets, start, cache), store, config, ALONE, seed=0)
    before = stage.recon_error()

    for index in range(150):
        stage.step(index)
    model.eval()

    assert before == pytest.approx(1.0)  # standing still leaves the whole way
    after = stage.recon_error()
    assert after is not None
    assert after < 0.9


def test_both_stages_run_in_turn_and_a_stopped_run_ends_where_one_that_was_not_does(
    start: Path, trajectories: Path, shape_sets: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = msgspec.structs.replace(CONFIG, refinement=REFINE)

    def run(out: str, *, resume: bool = False) -> Path:
        paths = TrainPaths(start, shape_sets, tmp_path / out, cache, trajectories)
        train(config, paths, device="cpu", resume=resume, quiet=True)
        return paths.out / "checkpoint"

    whole = load_checkpoint(run("whole")).state_dict()
    step = FlowMatchingStage.step

    def stopped_at_8(stage: FlowMatchingStage, index: int) -> dict[str, float]:
        if index == 8:
            raise KeyboardInterrupt
        return step(stage, index)

    with monkeypatch.context() as patch:
        patch.setattr(drift_training, "LoopOptions", functools.partial(LoopOptions, save_every_s=0.0))
        patch.setattr(FlowMatchingStage, "step", stopped_at_8)
        with pytest.raises(KeyboardInterrupt):
            run("stopped")
    resumed = load_checkpoint(run("stopped", resume=True)).state_dict()

    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
    table = json.loads((tmp_path / "whole/curves.json").read_text())
    assert {"velocity_error", "gen", "recon_error"} < set(table["flow_matching"])
    assert [step for step, _ in table["flow_matching"]["gen"]] == [6, 12]
    assert set(table["refinement"]) >= {"loss", "accuracy"}
    assert (tmp_path / "whole/curves.png").stat().st_size > 1000


def test_flow_matching_without_trajectories_is_refused(
    start: Path, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="flow matching needs trajectories; make them with hyperflow simulate"):
        train(CONFIG, TrainPaths(start, shape_sets, tmp_path, cache), device="cpu", quiet=True)


def test_trajectories_of_other_data_are_refused(start: Path, trajectories: Path, shape_sets: Path, cache: Path) -> None:
    model = load_checkpoint(start)
    weights = DriftWeights(model, ALONE, weight_decay=0.0, average_decay=0.0)
    crosses = _domains(shape_sets, start, cache)[:1]
    stage = FlowMatchingStage(weights, crosses, open_trajectories(trajectories, model), FLOW, ALONE, seed=0)

    def many_steps() -> None:
        for index in range(20):
            stage.step(index)

    with pytest.raises(DataError, match=r"the trajectories were made on \w+, which is not in the data"):
        many_steps()


def test_trajectories_of_another_backbone_are_refused(
    start: Path, trajectories: Path, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    other = load_checkpoint(start)
    with torch.no_grad():
        next(iter(other.backbone.network.parameters())).add_(0.01)
    save_checkpoint(other, tmp_path / "other")

    with pytest.raises(TrainingError, match="backbone"):
        train(
            CONFIG,
            TrainPaths(tmp_path / "other", shape_sets, tmp_path / "run", cache, trajectories),
            device="cpu",
            quiet=True,
        )


def test_a_drift_that_turns_into_nan_stops_at_once_and_keeps_the_last_good_state(
    start: Path, trajectories: Path, shape_sets: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = FlowMatchingStage.step

    def spoiled(stage: FlowMatchingStage, index: int) -> dict[str, float]:
        if index == 5:
            with torch.no_grad():
                next(stage._weights.drift.parameters()).fill_(float("nan"))
        return step(stage, index)

    monkeypatch.setattr(drift_training, "LoopOptions", functools.partial(LoopOptions, save_every_s=0.0))
    monkeypatch.setattr(FlowMatchingStage, "step", spoiled)
    paths = TrainPaths(start, shape_sets, tmp_path, cache, trajectories)
    with pytest.raises(TrainingError, match=r"step 6: .* is not finite; the last good state is that after step 5"):
        train(CONFIG, paths, device="cpu", quiet=True)

    state = load_file(tmp_path / "flow_matching/state.safetensors")
    assert all(tensor.isfinite().all() for name, tensor in state.items() if name != "counts")


def test_a_state_with_other_tensors_is_refused(
    start: Path, trajectories: Path, shape_sets: Path, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "flow_matching").mkdir()
    save_file({"weight": torch.zeros(2)}, tmp_path / "flow_matching/state.safetensors", {"step": "3"})

    paths = TrainPaths(start, shape_sets, tmp_path, cache, trajectories)
    with pytest.raises(TrainingError, match="is the state of another run"):
        train(CONFIG, paths, device="cpu", resume=True, quiet=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_steps": 0}, "counts must be 1 or more"),
        ({"learning_rate": 0.0}, "learning_rate above 0"),
        ({"shots": (3, 2)}, "shots must be 1 or more, least first"),
        ({"held_back": 1.0}, r"held_back in \[0, 1\)"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FlowMatching(**changes)  # type: ignore[arg-type]


def test_a_training_needs_a_stage() -> None:
    with pytest.raises(ConfigError, match="configure at least one stage"):
        TrainConfig(flow_matching=None, refinement=None)
