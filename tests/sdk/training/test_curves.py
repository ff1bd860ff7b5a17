"""Curves of a training, from its log."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from hyperflow.training.curves import draw_curves, read_log


def test_steps_done_twice_count_once_and_a_torn_line_not_at_all(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1, "loss": 3}\n{"step": 2, "loss": 2}\n{"step": 2, "loss": 1}\n{"step": 3, "lo')

    assert read_log(log) == [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.0}]
    assert read_log(tmp_path / "none") == []


def test_a_validation_at_the_step_of_a_line_keeps_both(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 2, "loss": 2}\n{"step": 2, "gen": 0.5}\n')

    assert read_log(log) == [{"step": 2, "loss": 2.0, "gen": 0.5}]


def test_a_picture_and_its_numbers_are_written(tmp_path: Path) -> None:
    log = [{"step": 1, "loss": 3.0, "steps_per_s": 9.0}, {"step": 2, "loss": 2.0, "gen": 0.4}]

    draw_curves({"flow_matching": [], "refinement": log}, tmp_path)

    table = json.loads((tmp_path / "curves.json").read_text())
    assert table == {"refinement": {"loss": [[1, 3.0], [2, 2.0]], "gen": [[2, 0.4]]}}
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 300
    assert sorted(file.name for file in tmp_path.iterdir()) == ["curves.json", "curves.png"]
