"""The shipped model is whole, small, described, and moves theta."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from hyperflow.checkpoint import load_checkpoint

ROOT = Path(__file__).parents[2]
DEFAULT = ROOT / "models/default"
REFERENCE = ROOT / "benchmarks/reference/epyc-2-cores/evaluation-default.json"


def test_the_default_model_loads_and_is_small() -> None:
    model = load_checkpoint(DEFAULT)

    assert sum(file.stat().st_size for file in DEFAULT.iterdir()) < 20e6
    assert 0.0 in model.config.device.candidates
    assert model.config.device.step_size in model.config.device.candidates


@torch.no_grad()
def test_the_default_drift_moves_theta_with_the_support() -> None:
    model = load_checkpoint(DEFAULT)
    generator = torch.Generator().manual_seed(0)
    onehot = torch.eye(5).repeat_interleave(5, dim=0)
    one, other = (torch.rand(25, model.backbone.feature_dim, generator=generator) for _ in range(2))

    moved = model.adapt(one, onehot, torch.ones(())).theta

    assert (moved - model.backbone.theta_0).abs().max() > 1e-3
    assert not torch.allclose(moved, model.adapt(other, onehot, torch.ones(())).theta)


def test_the_figures_of_the_card_and_the_readme_are_those_of_the_stored_evaluation() -> None:
    result = json.loads(REFERENCE.read_text())
    card, readme = (DEFAULT / "MODEL_CARD.md").read_text(), (ROOT / "README.md").read_text()
    for name, of_set in result["sets"].items():
        estimate = of_set["accuracy"]["guarded"]
        row = next(line for line in card.splitlines() if line.startswith(f"| {name} "))
        assert f"{estimate['mean']:.1f} ± {estimate['ci95']:.1f}" in row

    mean = result["mean"]
    assert f"{mean['accuracy']['adapted']['mean']:.1f} ± {mean['accuracy']['adapted']['ci95']:.1f}" in readme
    assert f"{mean['gain']['guarded']['mean']:+.1f} ± {mean['gain']['guarded']['ci95']:.1f}" in readme
