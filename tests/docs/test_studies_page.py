"""The figures of docs/studies.md and of the README are those of the stored results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hyperflow.evaluation.statistics import paired_difference

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "benchmarks/reference/epyc-2-cores"
PAGE = (ROOT / "docs/studies.md").read_text()


def _stored(name: str) -> Any:
    return json.loads((REFERENCE / f"{name}.json").read_text())


def _points(estimate: dict[str, float], *, signed: bool = False) -> str:
    return f"{estimate['mean']:{'+' if signed else ''}.1f} ± {estimate['ci95']:.1f}"


def test_the_table_of_mobilenet_is_the_stored_evaluation() -> None:
    result = _stored("evaluation-mobilenetv2")

    assert result["config"]["episodes"] == 200
    for name, found in [*result["sets"].items(), ("**mean over sets**", result["mean"])]:
        accuracy = [_points(found["accuracy"][method]) for method in ("direct", "adapted", "guarded")]
        gains = [_points(found["gain"][method], signed=True) for method in ("adapted", "guarded")]
        assert f"| {name} | {' | '.join(accuracy + gains)} |" in PAGE
    readme = (ROOT / "README.md").read_text()
    assert _points(result["mean"]["gain"]["adapted"], signed=True) in readme
    assert _points(result["mean"]["gain"]["guarded"], signed=True) in readme


def test_the_table_against_fine_tuning_is_the_stored_evaluation() -> None:
    result = _stored("evaluation-mobilenetv2-tuning")

    for name, found in [*result["sets"].items(), ("**mean over sets**", result["mean"])]:
        methods = ("adapted", "guarded", "subset_tuning", "linear_probe")
        gains = [_points(found["gain"][method], signed=True) for method in methods]
        assert f"| {name} | {_points(found['accuracy']['direct'])} | {' | '.join(gains)} |" in PAGE
    recovered = result["mean"]["recovered"]["adapted"]
    assert f"{recovered['mean']:.0f} ± {recovered['ci95']:.0f} %" in PAGE


def test_the_recipe_of_fine_tuning_is_the_best_of_its_grid() -> None:
    accuracy = _stored("recipes-mobilenetv2")["subset"]["accuracy"]
    recipe = _stored("evaluation-mobilenetv2-tuning")["config"]["recipes"]["subset_tuning"]

    best = max(accuracy, key=accuracy.__getitem__)
    assert best == f"rate {recipe['learning_rate']:g}, {recipe['n_steps']} steps"
    assert f"{accuracy[best] - accuracy['rate 0, 0 steps']:+.1f} there" in PAGE


def test_the_table_of_objectives_is_the_stored_study() -> None:
    for run in _stored("objectives-mobilenetv2-64px")["runs"].values():
        assert _points(run["gain"]["adapted"]["mean"], signed=True) in PAGE
        assert f"{run['offline']['total_cpu_hours']:.2f} CPU-hours" in PAGE


def test_the_best_recipe_for_small_is_the_best_of_its_grid() -> None:
    accuracy = _stored("recipes-small")["subset"]["accuracy"]

    assert f"{max(accuracy.values()) - accuracy['rate 0, 0 steps']:+.1f} points (8" in PAGE
    assert len(accuracy) == 7


def test_what_compressing_changed_is_the_paired_difference_of_the_stored_evaluations() -> None:
    small, whole = _stored("evaluation-mobilenetv2-rank32")["sets"], _stored("evaluation-mobilenetv2")["sets"]
    for method in ("adapted", "guarded"):
        pairs = [
            (one, other)
            for name in small
            for one, other in zip(small[name]["per_episode"][method], whole[name]["per_episode"][method], strict=False)
        ]
        estimate = paired_difference(*zip(*pairs, strict=True))
        assert len(pairs) == 80
        assert f"{estimate.mean:+.1f} ± {estimate.ci95:.1f}" in PAGE
