"""The architectures study on tiny networks and image sets, against direct calls of the package."""

from __future__ import annotations

import colorsys
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hyperflow.backbones.conv import ConvConfig
from hyperflow.checkpoint import load_checkpoint
from hyperflow.datasets.opening import open_datasets
from hyperflow.evaluation.checkpoint_subject import CheckpointSubject
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.evaluating import evaluate

STUDIES = Path(__file__).resolve().parents[2] / "benchmarks/studies"
EPISODES = ("--n-way", "3", "--n-shot", "2", "--n-query", "2", "--episodes", "2", "--seed", "3")
SPLIT = {"meta_validation": ["held"], "pretraining_share": 0.5}


@pytest.fixture(scope="module", autouse=True)
def _studies() -> Iterator[None]:
    """Modules of the studies can be imported, as when a script of theirs runs; one thread for tiny tensors."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set to train on and one to measure on, their classes of one colour each; never written to."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name, n_classes in (("taught", 6), ("held", 8)):
        for c in range(n_classes):
            colour = 255 * np.array(colorsys.hsv_to_rgb(c / n_classes, 0.5, 0.8))
            (root / name / f"colour{c}").mkdir(parents=True)
            for index in range(6 if name == "taught" else 14):
                pixels = colour + rng.normal(0, 60, size=3) + rng.normal(0, 30, size=(24, 24, 3))
                picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
                picture.save(root / name / f"colour{c}" / f"{index}.png")
    return root


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """Two candidates, and how they are trained."""
    folder = tmp_path / "configs"
    folder.mkdir()
    candidates = [
        {"name": "Thin, 16 px", "widths": [8, 16], "size_px": 16},
        {"name": "wide features", "widths": [8, 8], "feature_width": 24, "size_px": 24},
    ]
    drift = {"width": 16, "encoder_layers": 1, "encoder_heads": 2, "field_blocks": 1}
    pretrain = {"model": {"drift": drift, "n_steps": 2}, "split": SPLIT, "batch_size": 16, "n_steps": 2}
    episodes = {"ways": [2, 3], "shots": [1, 2], "n_query": 2, "max_images": 12}
    validation = {"every": 0, "calibration_episodes": 2}
    train = {"split": SPLIT, "refinement": {"episodes": episodes}, "validation": validation}
    for name, content in (("candidates", candidates), ("pretrain", pretrain), ("train", train)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def arguments(configs: Path, data: Path, out: Path, *further: str | Path) -> list[str]:
    chosen = ("--candidates", configs / "candidates.json", "--pretrain-config", configs / "pretrain.json",
              "--data", data, *EPISODES, "--out", out / "runs", "--cache", out / "cache", "--threads", "1",
              "--repetitions", "2", "--json", out / "out.json", "--picture", out / "out.png", "--quiet",
              *further)  # fmt: skip
    return [str(one) for one in chosen]


def run(configs: Path, data: Path, out: Path, *further: str | Path) -> tuple[dict[str, Any], str]:
    main = importlib.import_module("architectures").main
    finished = CliRunner().invoke(main, arguments(configs, data, out, *further))
    assert finished.exit_code == 0, (finished.output, finished.exception)
    return dict(json.loads((out / "out.json").read_text())), finished.output


def refused(configs: Path, data: Path, out: Path, *further: str | Path) -> str:
    main = importlib.import_module("architectures").main
    finished = CliRunner().invoke(main, arguments(configs, data, out, *further))
    assert finished.exit_code == 1
    assert not (out / "out.json").exists()
    return finished.output


def evaluated(checkpoint: Path, data: Path, methods: tuple[str, ...]) -> Any:
    config = EvaluationConfig(n_way=3, n_shot=2, n_query=2, episodes=2, seed=3, methods=methods, costs=False)
    sets = [one for one in open_datasets(data) if one.name == "held"]
    return evaluate(CheckpointSubject(load_checkpoint(checkpoint)), "any", sets, config)[0]


@pytest.mark.slow
def test_candidates_are_trained_alike_measured_and_kept(configs: Path, data: Path, tmp_path: Path) -> None:
    result, printed = run(configs, data, tmp_path)

    assert result["measured_on"] == ["held"]
    assert (result["n_steps"], result["refine_steps"]) == (2, 0)
    thin, wide = result["candidates"].values()
    folders = {"Thin, 16 px": "thin-16-px", "wide features": "wide-features"}
    for name, one in result["candidates"].items():
        checkpoint = tmp_path / "runs" / folders[name] / "pretraining/checkpoint"
        model = load_checkpoint(checkpoint)
        asked = one["architecture"]
        assert model.config.backbone == ConvConfig(tuple(asked["widths"]), asked["feature_width"])
        assert model.config.preprocessing.size_px == asked["size_px"]
        expected = evaluated(checkpoint, data, ("direct",)).mean.accuracy["direct"]
        assert one["accuracy"] == {"direct": {"mean": expected.mean, "ci95": expected.ci95}}
        assert one["gain"] == {}
        cost = one["cost"]
        assert cost["n_theta"] == model.backbone.theta_0.numel()
        assert cost["n_parameters"] == sum(weights.numel() for weights in model.backbone.network.parameters())
        assert 0 < cost["image_ms"] <= cost["image_p95_ms"]
        assert 0 < cost["batch_ms"] <= cost["batch_p95_ms"]
        assert one["train_cpu_hours"] > 0
        assert name in printed.replace("\n", " ")
    assert (thin["cost"]["feature_dim"], wide["cost"]["feature_dim"]) == (16, 24)
    convolutions = 8 * 8 * 8 * 27 + 2 * 8 * 8 * 8 * 72 + 4 * 4 * 16 * (72 + 144 + 8)  # stem, two stages, shortcut
    assert thin["cost"]["mmacs"] == pytest.approx(convolutions / 1e6)
    assert any(one["is_undominated"] for one in (thin, wide))
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.width == 900
        assert np.asarray(picture.convert("L")).std() > 10, "nothing is drawn"

    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").rglob("*.*") if file.name != "run.json"}
    again, _ = run(configs, data, tmp_path)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert [one["accuracy"] for one in again["candidates"].values()] == [thin["accuracy"], wide["accuracy"]]
    (tmp_path / "out.json").unlink()
    assert "another candidate or recipe" in refused(configs, data, tmp_path, "--n-steps", "3")


@pytest.mark.slow
def test_a_refined_candidate_is_measured_direct_and_adapted(configs: Path, data: Path, tmp_path: Path) -> None:
    only = json.loads((configs / "candidates.json").read_text())[:1]
    (configs / "candidates.json").write_text(json.dumps(only))
    result, _ = run(configs, data, tmp_path, "--train-config", configs / "train.json", "--refine-steps", "2")

    (one,) = result["candidates"].values()
    expected = evaluated(tmp_path / "runs/thin-16-px/drift/checkpoint", data, ("direct", "adapted")).mean
    assert list(one["accuracy"]) == ["direct", "adapted"]
    for method, found in one["accuracy"].items():
        assert found["mean"] == pytest.approx(expected.accuracy[method].mean)
    assert one["gain"]["adapted"]["ci95"] == pytest.approx(expected.gain["adapted"].ci95)
    assert one["is_undominated"]


def test_wrong_candidates_and_configurations_are_refused_before_the_work(
    configs: Path, data: Path, tmp_path: Path
) -> None:
    other = {"split": {**SPLIT, "pretraining_share": 0.4}}
    (configs / "train.json").write_text(json.dumps(other))
    further = ("--train-config", configs / "train.json", "--refine-steps", "1")
    assert "different splits" in refused(configs, data, tmp_path, *further)
    assert "no set held" in refused(configs, data / "taught", tmp_path)
    (configs / "candidates.json").write_text(
        json.dumps([{"name": "a b", "widths": [8]}, {"name": "A-b", "widths": [8]}])
    )
    assert "of different names, got a-b, a-b" in refused(configs, data, tmp_path)
    (configs / "candidates.json").write_text(json.dumps([{"name": "../up", "widths": [4]}]))
    assert "at least 8" in refused(configs, data, tmp_path)
    (configs / "pretrain.json").write_text("{}")
    (configs / "candidates.json").write_text(json.dumps([{"name": "one", "widths": [8]}]))
    assert "names no meta_validation" in refused(configs, data, tmp_path)
    assert not (tmp_path / "runs").exists()


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.tuples(st.floats(1, 9), st.floats(1, 9)), min_size=1, max_size=8))
def test_a_point_is_undominated_where_no_other_is_both_faster_and_better(
    points: dict[str, tuple[float, float]],
) -> None:
    best = importlib.import_module("architectures").undominated(points)
    fastest = min(points.values())[0]
    assert any(points[name][0] == fastest for name in best)
    assert max(accuracy for _, accuracy in points.values()) in {points[name][1] for name in best}
    for ms, accuracy in (points[name] for name in points.keys() - best):
        assert any(points[name][0] <= ms and points[name][1] >= accuracy for name in best)
