"""The studies run on tiny models and image sets; their figures are held against direct calls of the package."""

from __future__ import annotations

import colorsys
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hyperflow.adapted.subset import Subset
from hyperflow.backbones.conv import ConvConfig
from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.datasets.opening import open_datasets
from hyperflow.drift.config import DriftConfig
from hyperflow.evaluation.checkpoint_subject import CheckpointSubject
from hyperflow.evaluation.config import EvaluationConfig
from hyperflow.evaluation.evaluating import evaluate
from hyperflow.images.preprocessing import Preprocessing
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow.trajectories.manifest import read_manifest

STUDIES = Path(__file__).resolve().parents[2] / "benchmarks/studies"
SCRIPTS = ("euler_steps", "shots_and_ways", "subsets", "objectives", "offline_cost", "backbones", "architectures")
EPISODES = ("--n-way", "3", "--n-shot", "2", "--n-query", "3", "--episodes", "2", "--seed", "3")


@pytest.fixture(scope="module", autouse=True)
def _studies() -> Iterator[None]:
    """Modules of the studies can be imported, as when a script of theirs runs; one thread for tiny tensors."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        yield
    torch.set_num_threads(n_threads)


def _write_set(folder: Path, seed: int, *, n_classes: int = 8, n_images: int = 14) -> None:
    """Classes of one colour each, from image to image so different that no answer is sure."""
    rng = np.random.default_rng(seed)
    for c in range(n_classes):
        colour = 255 * np.array(colorsys.hsv_to_rgb(c / n_classes, 0.5, 0.8))
        (folder / f"colour{c}").mkdir(parents=True)
        for index in range(n_images):
            shade = colour + rng.normal(0, 50, size=3) + rng.normal(0, 40, size=(36, 36, 3))
            Image.fromarray(shade.clip(0, 255).astype(np.uint8)).save(folder / f"colour{c}" / f"{index:02}.png")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets, one of them with few and small classes; never written to."""
    root = tmp_path_factory.mktemp("data")
    _write_set(root / "many", 0)
    _write_set(root / "few", 1, n_classes=4, n_images=6)
    return root


@pytest.fixture(scope="module")
def other_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two further sets; never written to."""
    root = tmp_path_factory.mktemp("other")
    _write_set(root / "left", 2)
    _write_set(root / "right", 3)
    return root


def _untrained() -> HyperFlow:
    """A tiny model of two Euler steps whose drift hardly moves theta."""
    torch.manual_seed(0)
    drift = DriftConfig(width=16, encoder_layers=1, encoder_heads=2, field_blocks=1, output_scale=0.3)
    config = ModelConfig(
        name="tiny", backbone=ConvConfig(widths=(8, 16)), preprocessing=Preprocessing(32), drift=drift, n_steps=2
    )
    return HyperFlow(config).eval()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as training starts from; never written to."""
    folder = tmp_path_factory.mktemp("start")
    save_checkpoint(_untrained(), folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose drift moves theta, and whose theta_0 is not what its network holds; never written to."""
    model = _untrained()
    for parameter in model.field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.backbone.theta_0 += 0.1 * torch.randn_like(model.backbone.theta_0)
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(model, folder)
    return folder


def run_study(script: str, out: Path, *arguments: str | Path) -> dict[str, Any]:
    """Run a study to its end; its JSON, after a look at its picture."""
    files = ("--json", out / "out.json", "--picture", out / "out.png")
    quiet = () if script == "offline_cost" else ("--quiet",)
    main = importlib.import_module(script).main
    finished = CliRunner().invoke(main, [str(argument) for argument in (*arguments, *files, *quiet)])
    assert finished.exit_code == 0, (finished.output, finished.exception)
    with Image.open(out / "out.png") as picture:
        assert picture.format == "PNG"
        assert picture.width == 900
        assert np.asarray(picture.convert("L")).std() > 10, "nothing is drawn"
    assert sorted(path.name for path in out.glob(".*")) == [], "a staged file was left behind"
    result = dict(json.loads((out / "out.json").read_text()))
    assert result["machine"]["n_cores"] >= 1
    return result


def refused(script: str, out: Path, *arguments: str | Path) -> str:
    main = importlib.import_module(script).main
    files = ("--json", out / "out.json", "--quiet")
    finished = CliRunner().invoke(main, [str(argument) for argument in (*arguments, *files)])
    assert finished.exit_code != 0
    assert not (out / "out.json").exists()
    return finished.output


def evaluated(checkpoint: Path, data: Path, **sizes: int) -> Any:
    config = EvaluationConfig(**{"n_way": 3, "n_shot": 2, "n_query": 3, "episodes": 2, "seed": 3, **sizes}, costs=False)
    sets = [one for one in open_datasets(data) if min(one.class_sizes) >= (config.n_shot or 0) + 3]
    return evaluate(CheckpointSubject(load_checkpoint(checkpoint)), "tiny", sets, config)[0]


def test_no_script_loads_torch_before_it_runs() -> None:
    code = f"import sys; import {', '.join(SCRIPTS)}; sys.exit('torch' in sys.modules or 'matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=STUDIES, check=True)


@given(n_steps=st.integers(1, 64), most=st.integers(1, 70))
def test_kept_states_hold_both_ends_and_are_no_more_than_asked_for(n_steps: int, most: int) -> None:
    kept = importlib.import_module("euler_paths").kept_states(n_steps, most)
    assert kept[0] == 0
    assert kept[-1] == n_steps
    assert kept == sorted(set(kept))
    assert len(kept) == min(n_steps, most) + 1


def test_euler_paths_begin_at_direct_transfer_and_end_where_the_package_ends(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    steps = ("--step-counts", "1,2,8", "--states", "4", "--step-sizes", "0,0.5,1,2")
    result = run_study("euler_steps", tmp_path, checkpoint, "--data", data, *EPISODES, *steps)
    assert {k: [point["k"] for point in points] for k, points in result["paths"].items()} == {
        "1": [0, 1], "2": [0, 1, 2], "8": [0, 2, 4, 6, 8],
    }  # fmt: skip
    for first in (*(points[0] for points in result["paths"].values()), result["step_sizes"][0]):
        assert first["gain"]["mean"] == first["loss_change"]["mean"] == {"mean": 0.0, "ci95": 0.0}
    adapted = evaluated(checkpoint, data)
    at_one = next(point for point in result["step_sizes"] if point["h"] == 1.0)
    assert adapted.mean.gain["adapted"].mean != 0, "then the figures below would say nothing"
    for found in (result["paths"]["2"][-1], at_one):
        assert found["gain"]["mean"]["mean"] == pytest.approx(adapted.mean.gain["adapted"].mean)
        assert found["gain"]["sets"]["few"]["ci95"] == pytest.approx(adapted.sets["few"].gain["adapted"].ci95)
        assert found["loss_change"] == at_one["loss_change"]
        assert found["loss_change"]["mean"]["mean"] != 0
    assert all(rise["mean"]["mean"] >= 0 for rise in result["loss_rise_at_the_end"].values())
    assert [len(speeds) for speeds in result["speeds"].values()] == [1, 2, 8]


@pytest.mark.parametrize("n_steps", [1, 3, 8])
def test_a_path_of_other_steps_is_that_of_a_direct_call(checkpoint: Path, n_steps: int) -> None:
    model = load_checkpoint(checkpoint)
    onehot = torch.eye(3).repeat_interleave(2, dim=0)
    with torch.no_grad():
        base = model.encode(torch.randn(6, 3, 32, 32))
        paths = importlib.import_module("euler_paths")
        states = paths.states_of(model, base, onehot, step_size=0.7, n_steps=n_steps)
        end = model.adapt(base, onehot, torch.tensor(0.7), n_steps=n_steps).theta
    assert len(states) == n_steps + 1
    assert torch.equal(states[0], model.backbone.theta_0)
    assert torch.allclose(states[-1], end, rtol=1e-6)
    assert model.config.n_steps == 2


def test_a_path_that_is_not_finite_has_no_figures_and_the_others_keep_theirs() -> None:
    paired = importlib.import_module("paired").paired
    assert paired({"a": [0.5, None]}, {"a": [0.5, 0.5]}) is None
    assert paired({"a": [2.0, 4.0]}, {"a": [1.0, 1.0]}, scale=1.0).mean.mean == pytest.approx(2.0)
    assert paired({"a": [0.6, 0.8]}, {"a": [0.5, 0.5]}).sets["a"].mean == pytest.approx(20.0)


def test_shots_and_ways_leave_out_sets_that_are_too_small_and_equal_an_evaluation(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    result = run_study(
        "shots_and_ways", tmp_path, checkpoint, "--data", data, *EPISODES, "--shots", "1,2,5,50", "--ways", "2,3,8"
    )
    assert [(point["value"], point["left_out"]) for point in result["shots"]] == [(1, []), (2, []), (5, ["few"])]
    assert [(point["value"], point["left_out"]) for point in result["ways"]] == [(2, []), (3, []), (8, ["few"])]
    assert result["sets"] == ["few", "many"]
    for point, sizes in ((result["shots"][2], {"n_shot": 5}), (result["ways"][0], {"n_way": 2})):
        expected = evaluated(checkpoint, data, **sizes)
        for method, gain in point["gain"].items():
            assert gain["mean"]["mean"] == pytest.approx(expected.mean.gain[method].mean)
            assert gain["sets"].keys() == expected.sets.keys()
            assert gain["mean_of_common"]["mean"] == pytest.approx(expected.sets["many"].gain[method].mean) or (
                "few" in gain["sets"]
            )
        assert point["direct"]["mean"] == pytest.approx(expected.mean.accuracy["direct"].mean)


def test_subsets_count_their_parameters_and_share_one_direct_transfer(
    checkpoint: Path, data: Path, other_data: Path, tmp_path: Path
) -> None:
    result = run_study(
        "subsets", tmp_path, checkpoint, "--data", data, *EPISODES, "--choose-on", other_data, "--choose-sets", "left",
        "--choose-episodes", "2", "--n-steps", "2", "--rates", "0.01,0.1", "--plain-rates", "0.001,0.01",
    )  # fmt: skip
    network = load_checkpoint(checkpoint).backbone.network
    affine = load_checkpoint(checkpoint).backbone.theta_0.numel()
    counts = {name: one["n_parameters"] for name, one in result["subsets"].items()}
    assert counts["affine"] == affine == 2 * counts["shift"]
    assert counts["all"] == sum(parameter.numel() for parameter in network.parameters())
    assert 0 < counts["affine_last_third"] < affine
    assert result["left_out"].keys() == {"bias", "layer_norm", "qkv_bias", "low_rank"} - counts.keys()
    assert "names no parameter" in result["left_out"]["qkv_bias"]
    assert result["chosen_on"] == ["left"]
    direct = evaluated(checkpoint, data).mean.accuracy["direct"].mean
    for name, one in result["subsets"].items():
        assert one["direct"]["mean"] == pytest.approx(direct), name
        chosen = one["chosen"]
        rates = {rate: right for rate, right in chosen["accuracy"].items() if rate != "0"}
        assert rates[f"{chosen['recipe']['learning_rate']:g}"] == max(rates.values())
        assert chosen["n_tasks"] == 2
        assert one["seconds"] > 0


def test_a_set_that_is_evaluated_may_not_choose_learning_rates(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    output = refused("subsets", tmp_path, checkpoint, "--data", data, *EPISODES, "--choose-on", data)
    assert "few, many would choose learning rates and be evaluated too" in output


def test_a_set_without_room_is_refused_before_the_work(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    output = refused("euler_steps", tmp_path, checkpoint, "--data", data, "--n-shot", "5", "--n-query", "3")
    assert "5-way 5-shot" in output


@pytest.mark.parametrize("subset", [Subset("affine"), Subset("shift"), Subset("affine", first_depth=2 / 3)])
def test_another_subset_begins_at_the_same_features(checkpoint: Path, subset: Subset) -> None:
    models = importlib.import_module("tunable_models")
    images = torch.randn(2, 3, 32, 32)
    expected = load_checkpoint(checkpoint).encode(images)
    assert torch.allclose(models.model_of(models.open_start(checkpoint, None, None), subset).encode(images), expected)


def test_backbones_are_tuned_where_they_have_the_subset(
    data: Path, other_data: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import transformers

    torch.manual_seed(0)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8
    )
    vit = tmp_path_factory.mktemp("hub") / "vit"
    transformers.ViTModel(config).save_pretrained(vit)
    result = run_study(
        "backbones", tmp_path, "--backbone", f"hf:{vit}", "--backbone", "conv:8,16", "--size-px", "32", "--data", data,
        *EPISODES, "--choose-on", other_data, "--choose-episodes", "2", "--n-steps", "1", "--rates", "0.01",
    )  # fmt: skip
    of_vit, of_conv = result["backbones"].values()
    assert of_vit["tuned"]["qkv_bias"]["n_parameters"] == 2 * 3 * 16
    assert of_vit["tuned"]["affine"]["n_parameters"] == (2 * 2 + 1) * 2 * 16
    assert of_vit["left_out"] == {}
    assert of_vit["feature_dim"] == 16
    assert list(of_conv["tuned"]) == ["affine"]
    assert list(of_conv["left_out"]) == ["qkv_bias"]
    assert of_vit["size_px"] == of_conv["size_px"] == 32
    for one in (of_vit, of_conv):
        assert one["direct"] == one["tuned"]["affine"]["direct"]


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    """Configurations of two tiny simulations and of the trainings after them."""
    folder = tmp_path / "configs"
    folder.mkdir()
    split = {"pretraining_share": 0.0}
    common = {"split": split, "tasks": {"per_set": 2, "ways": [2, 3]}, "n_seeds": 2, "checkpoints": [0, 1, 2]}
    support = {**common, "teacher": {"kind": "support", "n_shot": 2}}
    whole_class = {**common, "teacher": {"kind": "whole_class", "n_support": 2, "n_query": 2}}
    episodes = {"ways": [2, 3], "shots": [1, 2], "n_query": 2, "max_images": 20}
    train = {
        "split": split,
        "flow_matching": {
            "tasks_per_step": 2,
            "times_per_task": 2,
            "shots": [1, 2],
            "held_back": 0.25,
            "learning_rate": 0.03,
        },
        "refinement": {"episodes": episodes, "learning_rate": 0.03},
    }
    for name, content in (("simulate-support", support), ("simulate-whole-class", whole_class), ("train", train)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.slow
def test_objectives_train_what_is_not_there_and_say_what_it_cost(
    start: Path, data: Path, other_data: Path, configs: Path, tmp_path: Path
) -> None:
    names = ("support-linear", "refine", "whole-class-cubic+refine")
    common = (
        "--start", start, "--data", other_data, "--eval-data", data, *EPISODES, "--config-dir", configs,
        "--train-config", configs / "train.json", "--out", tmp_path / "runs", "--refine-steps", "2", "--cache",
        tmp_path / "cache", "--device", "cpu", *(part for name in names for part in ("--run", name)),
    )  # fmt: skip
    result = run_study("objectives", tmp_path, *common, "--flow-steps", "3")
    runs = result["runs"]
    assert list(runs) == list(names)
    for name, run in runs.items():
        expected = evaluated(tmp_path / "runs" / name / "checkpoint", data).mean.gain
        for method, gain in run["gain"].items():
            assert gain["mean"]["mean"] == pytest.approx(expected[method].mean)
        assert run["recon_error"].keys() == {"support", "whole-class"}
        assert all(error > 0 for error in run["recon_error"].values())
        offline = run["offline"]
        assert offline["total_cpu_hours"] == offline["simulate_cpu_hours"] + offline["train_cpu_hours"]
        assert offline["train_cpu_hours"] > 0
        kept = tmp_path / "runs" / f"trajectories-{run['teacher']}"
        stored = read_manifest(kept).cost.storage_bytes if run["teacher"] else 0
        assert offline["trajectories_bytes"] == stored
    assert runs["refine"]["over_refine"] == {"mean": 0.0, "ci95": 0.0}
    stages = {name: {log.parent.name for log in (tmp_path / "runs" / name).glob("*/log.jsonl")} for name in names}
    assert stages == {
        "support-linear": {"flow_matching"}, "refine": {"refinement"},
        "whole-class-cubic+refine": {"flow_matching", "refinement"},
    }  # fmt: skip

    shutil.rmtree(tmp_path / "runs/refine")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "runs").rglob("*.safetensors")}
    again = run_study("objectives", tmp_path, *common, "--flow-steps", "3")
    assert {file: file.stat().st_mtime_ns for file in before} == before
    for name in ("support-linear", "whole-class-cubic+refine"):
        assert again["runs"][name]["gain"] == runs[name]["gain"]
        assert again["runs"][name]["offline"] == runs[name]["offline"]
    (tmp_path / "out.json").unlink()
    assert "another start or configuration" in refused("objectives", tmp_path, *common, "--flow-steps", "4")


def test_offline_cost_marks_what_no_other_run_beats(tmp_path: Path) -> None:
    def run(hours: float, gain: float, teacher: str | None, stored: int = 0) -> dict[str, Any]:
        estimate = {"mean": {"mean": gain, "ci95": 0.5}}
        offline = {"total_cpu_hours": hours, "trajectories_bytes": stored}
        return {"teacher": teacher, "gain": {"adapted": estimate, "guarded": estimate}, "offline": offline}

    runs = {"dear": run(3.0, 1.0, "support", 2_000_000), "cheap": run(1.0, 2.0, None), "best": run(2.0, 4.0, "support")}
    objectives = tmp_path / "objectives.json"
    objectives.write_text(json.dumps({"runs": runs, "machine": {"slug": "elsewhere"}}))
    command = [
        sys.executable, str(STUDIES / "offline_cost.py"), str(objectives), "--picture", str(tmp_path / "cost.png"),
        "--json", str(tmp_path / "cost.json"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    result = json.loads((tmp_path / "cost.json").read_text())
    found = {point["run"]: (point["is_undominated"], point["storage_mb"]) for point in result["points"]}
    assert found == {"cheap": (True, 0.0), "best": (True, 0.0), "dear": (False, 2.0)}
    assert result["measured_on"] == {"slug": "elsewhere"}
    with Image.open(tmp_path / "cost.png") as picture:
        assert picture.width == 900
