"""The benchmarks run on a tiny model and write the figures they promise; what the figures say means nothing here."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
