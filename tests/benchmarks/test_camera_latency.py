"""The camera benchmark runs on a tiny model and a rendered scene; what its figures say means nothing here."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks/camera_latency.py"
STAGES = {"capture_age", "preprocess", "encode", "head", "total"}


def run(out: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARK), *map(str, arguments), "--json", str(out)]
    return subprocess.run(command, cwd=out.parent, capture_output=True, text=True, check=False)


def assert_is_spread(spread: dict[str, float]) -> None:
    assert set(spread) == {"p50_ms", "p95_ms", "p99_ms", "max_ms"}
    assert 0 <= spread["p50_ms"] <= spread["p95_ms"] <= spread["p99_ms"] <= spread["max_ms"] < math.inf


def measured(tmp_path: Path, tiny_bundle: Path, camera: str) -> tuple[dict[str, Any], str]:
    finished = run(
        tmp_path / "out.json", "--bundle", tiny_bundle, "--camera", camera, "--seconds", "0.5",
        "--n-way", "3", "--n-way", "2", "--n-shot", "2", "--repetitions", "2", "--threads", "1",
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return json.loads((tmp_path / "out.json").read_text()), finished.stdout


def test_every_figure_of_a_rendered_scene_is_there(tmp_path: Path, tiny_bundle: Path) -> None:
    result, printed = measured(tmp_path, tiny_bundle, "synthetic://desk?things=mug,gear,key&empty_s=0")

    for phase in ("following", "adapting"):
        assert set(result[phase]["stages"]) == STAGES
        for spread in (*result[phase]["stages"].values(), result[phase]["gap"]):
            assert_is_spread(spread)
        assert result[phase]["n_answers"] >= 3
        assert 0 < result[phase]["answers_per_second"] < 100
    assert result["glass_to_label"] == result["following"]["stages"]["total"]
    assert result["following"]["n_adaptations"] == 0
    assert result["adapting"]["n_adaptations"] >= 1
    assert result["longest_gap_ms"] == result["adapting"]["gap"]["max_ms"]
    assert result["longest_gap_frames"]["30"] == 2 * result["longest_gap_frames"]["15"] > 0
    assert [(cost["n_way"], cost["n_shot"]) for cost in result["adapt"]] == [(2, 1), (2, 2), (3, 1), (3, 2)]
    assert result["predictions_per_second"] > 0
    assert result["accuracy"]["n_frames"] >= 3
    assert all(0 <= result["accuracy"][key] <= 1 for key in ("adapted", "direct", "smoothed"))
    assert result["untaught"]["n_frames"] >= 3
    assert all(0 <= result["untaught"][key] <= 1 for key in ("unknown", "smoothed"))
    assert (result["model"], result["frame_px"]) == ("tiny", [640, 480])
    assert result["machine"]["n_cores"] >= 1
    assert "predictions a second" in printed
    assert "longest gap while adapting" in printed


def test_a_camera_that_does_not_know_what_it_shows_has_no_accuracy(tmp_path: Path, tiny_bundle: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index, colour in enumerate(np.random.default_rng(0).integers(0, 256, (4, 3))):
        Image.new("RGB", (64, 48), tuple(colour.tolist())).save(pictures / f"{index}.png")

    result, printed = measured(tmp_path, tiny_bundle, f"{pictures}?loop=true&fps=30")

    assert (result["accuracy"], result["untaught"]) == (None, None)
    assert result["frame_px"] == [64, 48]
    assert "right on" not in printed


def test_a_camera_that_is_not_there_is_named(tmp_path: Path, tiny_bundle: Path) -> None:
    finished = run(tmp_path / "out.json", "--bundle", tiny_bundle, "--camera", "synthetic://moon")

    assert finished.returncode == 1
    assert "Error: no rendered scene 'moon'" in finished.stderr
    assert not (tmp_path / "out.json").exists()
