"""What can be done with a drift alone once its backbone is brought."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from hyperflow.checkpoint import load_checkpoint
from hyperflow.commands.main import main
from hyperflow.errors import CheckpointError
from hyperflow.evaluation.subjects import open_subject
from hyperflow.model import HyperFlow
from hyperflow.trajectories.config import SimulationConfig
from hyperflow.trajectories.plan import make_plan


def _same(a: HyperFlow, b: HyperFlow) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_every_command_that_opens_a_checkpoint_takes_the_backbone(
    drift: Path, whole: Path, weights: Path, shape_sets: Path, tmp_path: Path
) -> None:
    episodes = ["--n-way", "2", "--n-shot", "1", "--n-query", "1", "--episodes", "1"]
    options: list[str | Path] = [
        "--data",
        shape_sets,
        *episodes,
        "--methods",
        "direct,adapted",
        "--no-costs",
        "--quiet",
    ]

    refused = _run("evaluate", drift, *options)
    answers = []
    for number, chosen in enumerate(([drift, "--backbone", weights], [whole])):
        done = _run("evaluate", *chosen, *options, "--json", tmp_path / f"{number}.json")
        assert done.exit_code == 0, done.output
        answers.append(json.loads((tmp_path / f"{number}.json").read_text())["sets"]["disc"]["per_episode"])

    assert "bring the backbone, net.npz" in refused.stderr
    assert answers[0] == answers[1]
    plan = make_plan(SimulationConfig(), drift, shape_sets, cache=tmp_path / "cache", quiet=True, backbone=weights)
    assert _same(plan.model, load_checkpoint(whole))


def test_a_drift_can_be_trained_further_and_is_then_whole(
    drift: Path, weights: Path, shape_sets: Path, tmp_path: Path
) -> None:
    episodes = {"ways": [2, 2], "shots": [1, 1], "n_query": 1, "max_images": 8}
    config = {"split": {"pretraining_share": 0.5}, "refinement": {"n_steps": 1, "episodes": episodes}}
    (tmp_path / "train.json").write_text(json.dumps(config))
    options: list[str | Path] = [
        "--data",
        shape_sets,
        "--cache",
        tmp_path / "cache",
        "--config",
        tmp_path / "train.json",
    ]

    done = _run("train", drift, "--backbone", weights, *options, "--out", tmp_path / "run", "--quiet")

    assert done.exit_code == 0, done.output
    trained = load_checkpoint(tmp_path / "run/checkpoint")
    assert trained.config.backbone_source is None
    assert torch.equal(trained.backbone.theta_0, load_checkpoint(drift, backbone=weights).backbone.theta_0)


def test_a_bundle_takes_no_backbone(tiny_bundle: Path, weights: Path) -> None:
    with pytest.raises(CheckpointError, match="is a bundle, which holds its backbone; leave out --backbone"):
        open_subject(tiny_bundle, backbone=weights)
