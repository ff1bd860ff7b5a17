"""The benchmarks run on a tiny model and write the figures they promise; what the figures say means nothing here."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hyperflow.checkpoint import save_checkpoint

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tiny_checkpoint(tmp_path: Path) -> Path:
    """A checkpoint of the model inside the committed tiny bundle."""
    spec = importlib.util.spec_from_file_location("make_tiny_bundle", ROOT / "tests/data/make_tiny_bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path / "tiny"
    save_checkpoint(module.tiny_model(), folder)
    return folder


def run_benchmark(script: str, out: Path, *arguments: str | Path) -> dict[str, Any]:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, arguments), "--json", str(out)]
    finished = subprocess.run(command, cwd=out.parent, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert [path.name for path in out.parent.glob(".*json*")] == [], "a staged file was left behind"
    return dict(json.loads(out.read_text()))


def assert_finite_and_positive(figures: dict[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        assert math.isfinite(figures[key]), key
        assert figures[key] > 0, key


def assert_describes_the_machine(result: dict[str, Any]) -> None:
    machine = result["machine"]
    assert machine["n_cores"] >= 1
    assert machine["slug"] == machine["slug"].lower().replace(" ", "-")
    assert {"hyperflow", "numpy", "onnxruntime"} <= set(machine["packages"])
    assert result["model"] == "tiny"


@pytest.mark.slow
def test_adaptation_cost_writes_every_method(tmp_path: Path, tiny_bundle: Path, tiny_checkpoint: Path) -> None:
    result = run_benchmark(
        "adaptation_cost.py", tmp_path / "cost.json", "--checkpoint", tiny_checkpoint, "--bundle", tiny_bundle,
        "--n-way", "3", "--n-shot", "2", "--steps", "2", "--repetitions", "3", "--threads", "1",
    )  # fmt: skip
    ratios = ("time_ratio_full", "time_ratio_affine", "memory_ratio_full", "memory_ratio_affine",
              "time_ratio_full_with_encoding", "memory_ratio_full_with_encoding",
              "memory_ratio_full_with_drift_weights")  # fmt: skip
    assert_finite_and_positive(result, (*ratios, "drift_weights_mb", "drift_working_mb", "memory_resolution_mb"))
    assert_describes_the_machine(result)
    assert list(result["methods"]) == [
        "drift", "drift_with_encoding", "adapt_unguarded", "adapt_unguarded_with_encoding", "adapt",
        "adapt_with_encoding", "adapt_with_encoding_and_baking", "affine_finetuning", "full_finetuning",
    ]  # fmt: skip
    for cost in result["methods"].values():
        assert_finite_and_positive(cost, ("seconds", "seconds_p95", "peak_mb", "before_mb"))
        assert cost["peak_mb"] >= cost["increase_mb"] >= 0


def test_inference_cost_writes_predictions_and_variants(tmp_path: Path, tiny_bundle: Path) -> None:
    result = run_benchmark(
        "inference_cost.py", tmp_path / "cost.json", "--bundle", tiny_bundle, "--batch", "1", "--batch", "3",
        "--repetitions", "3", "--threads", "1",
    )  # fmt: skip
    assert_finite_and_positive(
        result, ("predict_over_bare", "theta_input_over_constant", "baked_over_constant", "bake_ms")
    )
    assert_describes_the_machine(result)
    assert [(cost["width_px"], cost["height_px"]) for cost in result["predictions"]] == [(640, 480), (1920, 1080)]
    for cost in result["predictions"]:
        assert_finite_and_positive(cost, ("preprocessing_ms", "bare_ms", "predict_ms", "predictions_per_second"))
    variants = {cost["variant"] for cost in result["variants"]}
    assert variants == {"constant", "baked", "bundle", "one_split", "separate_inputs", "batch_norm", "kernels"}
    assert {cost["batch"] for cost in result["variants"]} == {1, 3}
    for cost in result["variants"]:
        assert_finite_and_positive(cost, ("median_ms", "over_constant", "fastest_over_constant"))


def test_peak_memory_sees_what_is_allocated_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    memory = importlib.import_module("memory")
    with memory.PeakMemory() as peak:
        block = bytearray(64 * 10**6)
        block[::4096] = b"x" * len(block[::4096])
        del block
    assert 60 < peak.increase_mb < 80


def test_peak_memory_is_sampled_where_the_kernel_counter_is_not_permitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    memory = importlib.import_module("memory")

    def refuse(path: Path, text: str) -> int:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "write_text", refuse)
    with memory.PeakMemory() as peak:
        block = bytearray(64 * 10**6)
        block[::4096] = b"x" * len(block[::4096])
    assert peak.method == "sampled every millisecond"
    assert 60 < peak.increase_mb < 80


def test_shutter_to_ready_splits_the_time_and_says_what_passes(tmp_path: Path, tiny_bundle: Path) -> None:
    result = run_benchmark(
        "shutter_to_ready.py", tmp_path / "shutter.json", "--bundle", tiny_bundle, "--n-way", "3", "--n-shot", "2",
        "--frame", "80x60", "--repetitions", "4", "--threads", "1",
    )  # fmt: skip
    assert_finite_and_positive(result, ("shutter_to_ready_ms", "adapt_ms", "predictions_per_second"))
    assert_describes_the_machine(result)
    (cost,) = result["threads"]
    frame_ms = 1e3 / 30
    for name in ("shutter_to_ready", "adapt", "adapt_unguarded", "prediction_at_once", "prediction"):
        span = cost[name]
        assert 0 < span["fastest_ms"] <= span["p50_ms"] <= span["p95_ms"]
        assert span["p50_frames"] == pytest.approx(span["p50_ms"] / frame_ms)
    assert cost["adapt"]["p50_ms"] < cost["shutter_to_ready"]["p50_ms"]
    n_candidates = json.loads((tiny_bundle / "manifest.json").read_text())["adaptation"]["candidates"]
    assert cost["n_candidates"] == len(n_candidates)
    assert cost["n_encoded"] == 6 * (len(n_candidates) - 1)
    assert list(cost["stages_ms"]) == [
        "preprocess", "encode the new shot", "drift", "support under new thetas", "guard", "prototypes", "rest",
    ]  # fmt: skip
    assert sum(cost["stages_ms"].values()) >= 0.99 * cost["shutter_to_ready"]["p50_ms"]
    assert list(result["verdicts"]) == ["shutter_to_ready", "adapt", "prediction"]
    for name, verdict in result["verdicts"].items():
        assert verdict["passes"] == (cost[name]["p50_ms"] <= frame_ms)
        assert verdict["passes_at_p95"] == (cost[name]["p95_ms"] <= frame_ms)


def test_shutter_to_ready_refuses_more_threads_than_cores(tiny_bundle: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks/shutter_to_ready.py"), "--bundle", str(tiny_bundle)]
    refused = subprocess.run([*command, "--threads", "4096"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "4096 threads need as many cores" in refused.stderr


def test_card_tables_print_what_the_files_hold(tmp_path: Path) -> None:
    def result(direct: float, gain: float) -> dict[str, Any]:
        accuracy = {"direct": {"mean": direct, "ci95": 1.0}, "guarded": {"mean": direct + gain, "ci95": 1.04}}
        tuned = {"subset_tuning": {"mean": direct + 1, "ci95": 2.0}}
        gains = {"guarded": {"mean": gain, "ci95": 0.26}, "subset_tuning": {"mean": 1.0, "ci95": 0.5}}
        n = {"direct": 20, "guarded": 20, "subset_tuning": 10}
        return {"accuracy": accuracy | tuned, "gain": gains, "n": n, "per_episode": {}}

    sets, mean = {"one": result(60.0, 2.0), "two": result(70.0, -1.0)}, result(65.0, 0.5)
    estimate = {"mean": 4.04, "ci95": 0.125}
    names = ("auroc", "auroc_probability", "known_accepted", "unknown_rejected")
    trust = {
        "mean_calibration": {"direct": dict.fromkeys(("ece", "confidence", "nll"), estimate)},
        "mean_detection": {"guarded": dict.fromkeys(names, estimate)},
    }
    whole = {"config": {"n_way": 5, "n_shot": 5, "episodes": 10, "seed": 0}, "sets": sets, "mean": mean}
    (tmp_path / "5x5.json").write_text(json.dumps({**whole, "trust": trust}))
    (tmp_path / "5x1.json").write_text(json.dumps({**whole, "config": {**whole["config"], "n_shot": 1}}))
    command = [sys.executable, str(ROOT / "benchmarks/card_tables.py"), "5x5.json", "5x1.json"]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    of_sets, of_shapes, of_figures = (block.splitlines() for block in printed.split("\n\n"))
    assert of_sets == [
        "| set (5-way 5-shot, 10 episodes) | direct | guarded | theta fine-tuned (5 ep.) | gain guarded | "
        "gain theta fine-tuned |",
        "|---|---|---|---|---|---|",
        "| one | 60.0 ± 1.0 | 62.0 ± 1.0 | 61.0 ± 2.0 | +2.0 ± 0.3 | +1.0 ± 0.5 |",
        "| two | 70.0 ± 1.0 | 69.0 ± 1.0 | 71.0 ± 2.0 | -1.0 ± 0.3 | +1.0 ± 0.5 |",
        "| **mean over sets** | 65.0 ± 1.0 | 65.5 ± 1.0 | 66.0 ± 2.0 | +0.5 ± 0.3 | +1.0 ± 0.5 |",
    ]
    assert of_shapes[0].endswith("| direct | guarded | gain guarded | least gain of a set, guarded |")
    assert of_shapes[2] == "| 5-way 5-shot | 2 | 10 | 65.0 ± 1.0 | 65.5 ± 1.0 | +0.5 ± 0.3 | -1.0 ± 0.3 |"
    assert of_shapes[3].startswith("| 5-way 1-shot | 2 | 10 |")
    assert of_figures[0] == "| mean over sets | figure | direct | guarded |"
    assert of_figures[2] == "| 5-way 5-shot | calibration error, % | 4.0 ± 0.1 |  |"
    assert of_figures[4] == "| 5-way 5-shot | log-likelihood lost, nats | 4.04 ± 0.12 |  |"
    assert of_figures[8] == "| 5-way 5-shot | unknown images rejected, % |  | 4.0 ± 0.1 |"
    assert len(of_figures) == 9, "the file without such figures has no row"


def test_card_tables_refuse_what_is_no_evaluation(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"machine": {}}')
    command = [sys.executable, str(ROOT / "benchmarks/card_tables.py"), str(tmp_path / "other.json")]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "is no stored evaluation" in refused.stderr


def test_the_bound_on_unknown_is_measured_on_photos_and_on_a_held_button(tmp_path: Path, tiny_bundle: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(4):
        for index in range(10):
            file = tmp_path / f"photos/class-{number}/{index}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            colour = np.clip(40 * number + rng.normal(0, 20, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(colour).save(file)

    options = ("--bundle", tiny_bundle, "--data", tmp_path / "photos", "--episodes", "2")
    found = run_benchmark("unknown_threshold.py", tmp_path / "unknown.json", *options)

    assert set(found["sets"]) == {"photos", "all sets of photos", "a held button, rendered scene"}
    for row in found["sets"].values():
        assert all(0 <= row[name]["mean"] <= 100 for name in ("accepted", "rejected"))
        assert row["accepted_gain"]["mean"] >= 0  # the bound only ever lowers the threshold
        assert row["rejected_gain"]["mean"] <= 0
