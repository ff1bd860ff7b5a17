"""Several sizes of episodes in one call: each as if asked for alone, and no set left out in silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hyperflow.checkpoint import save_checkpoint
from hyperflow.commands.main import main
from hyperflow.episodes.fixed import FixedProtocol
from hyperflow.errors import ConfigError
from hyperflow.evaluation.shapes import Shape, shapes_of
from hyperflow.images.image_set import ImageSet, open_image_set
from hyperflow.model import HyperFlow

FIXED = ["--n-query", "3", "--episodes", "2", "--no-costs", "--quiet"]


@pytest.fixture
def checkpoint(tiny_model: HyperFlow, tmp_path: Path) -> Path:
    save_checkpoint(tiny_model, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.fixture
def data(shape_sets: Path, tmp_path: Path) -> Path:
    """One set of eight classes, and one of four."""
    shutil.copytree(shape_sets / "disc", tmp_path / "data/disc")
    shutil.copytree(shape_sets / "square", tmp_path / "data/few")
    for c in range(4, 8):
        shutil.rmtree(tmp_path / f"data/few/colour{c}")
    return tmp_path / "data"


def _run(subject: Path, data: Path, *options: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", str(subject), "--data", str(data), *FIXED, *map(str, options)])


@given(st.lists(st.tuples(st.integers(2, 99), st.integers(1, 99)), min_size=1, max_size=5, unique=True))
def test_shapes_are_read_as_they_are_written(sizes: list[tuple[int, int]]) -> None:
    shapes = tuple(Shape(*size) for size in sizes)

    assert shapes_of(",".join(map(str, shapes))) == shapes
    assert shapes_of(" , ".join(map(str, shapes))) == shapes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", "a shape is WAYSxSHOTS, such as 5x1.*got '5'"),
        ("5x1,", "got ''"),
        ("1x5", "with 2 ways and 1 shot or more, got '1x5'"),
        ("5x0", "got '5x0'"),
        ("5x1,5x5,5x1", "shape 5x1 is there twice"),
    ],
)
def test_what_is_no_shape_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        shapes_of(text)


def test_every_shape_gives_what_it_gives_alone_and_the_sets_left_out_are_named(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    files = ["--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv", "--unknown"]

    done = _run(checkpoint, data, "--shapes", "3x1,5x2,9x1", *files)

    assert done.exit_code == 0, done.output
    overview = json.loads((tmp_path / "r.json").read_text())
    assert list(overview["shapes"]) == ["3x1", "5x2", "9x1"]
    assert overview["shapes"]["3x1"]["skipped"] == {}
    assert list(overview["shapes"]["5x2"]["skipped"]) == ["few"]
    assert "needs 5 classes of 5 images, but only 4 of 4" in overview["shapes"]["5x2"]["skipped"]["few"]
    assert (overview["shapes"]["9x1"]["mean"], overview["shapes"]["9x1"]["file"]) == (None, None)
    assert list(overview["shapes"]["9x1"]["skipped"]) == ["disc", "few"]
    assert "5x2: few is left out: 5-way 2-shot with 3 queries needs 5 classes" in " ".join(done.stderr.split())
    assert not list(tmp_path.glob("*.journal.jsonl"))

    alone = _run(checkpoint, data / "disc", "--n-way", 5, "--n-shot", 2, "--unknown", "--json", tmp_path / "a.json")
    assert alone.exit_code == 0, alone.output
    own, of_shape = (json.loads((tmp_path / name).read_text()) for name in ("a.json", "r-5x2.json"))
    assert of_shape["sets"] == own["sets"]
    assert of_shape["trust"] == own["trust"]
    assert of_shape["skipped"] == overview["shapes"]["5x2"]["skipped"]
    assert overview["shapes"]["5x2"]["mean"] == own["mean"]
    assert len((tmp_path / "r-3x1.csv").read_text().splitlines()) == 1 + 2 * 2 * 3
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("│ 5x2")]
    assert "1/2" in row


def _drawn(image_set: ImageSet, n_way: int, n_shot: int) -> set[str]:
    protocol = FixedProtocol(n_way, n_shot, 3, seed=0, n_episodes=2)
    episodes = [protocol.draw(image_set, index) for index in range(2)]
    rows = np.concatenate([rows for episode in episodes for rows in (episode.support_rows, episode.query_rows)])
    return {image_set.member(int(row)) for row in rows}


def _without_cost(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text())
    result.pop("cost", None)
    return result


def test_an_interrupted_call_goes_on_in_the_shape_where_it_was(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    options = ["--shapes", "3x1,8x2", "--json", tmp_path / "r.json"]
    names = ("r.json", "r-3x1.json", "r-8x2.json")
    assert _run(checkpoint, data, *options).exit_code == 0
    whole = {name: _without_cost(tmp_path / name) for name in names}
    for name in names:
        (tmp_path / name).unlink()
    image_set = open_image_set(data / "disc")
    image = data / "disc" / sorted(_drawn(image_set, 8, 2) - _drawn(image_set, 3, 1))[0]
    pixels = image.read_bytes()

    image.write_bytes(pixels[:40])
    torn = _run(checkpoint, data, *options)
    image.write_bytes(pixels)

    assert torn.exit_code == 1
    assert "cannot be decoded" in " ".join(torn.stderr.split())
    lines = (tmp_path / "r-3x1.journal.jsonl").read_text().splitlines()
    known = [line["answers"]["direct"]["seconds"] for line in map(json.loads, lines[1:])]
    assert len(known) == 4
    done = _run(checkpoint, data, *options, "--resume", "--csv", tmp_path / "r.csv")
    assert done.exit_code == 0, done.output
    assert {name: _without_cost(tmp_path / name) for name in names} == whole
    rows = [line.split(",") for line in (tmp_path / "r-3x1.csv").read_text().splitlines() if ",direct," in line]
    assert [float(row[6]) for row in rows] == known  # these were not answered again
    assert not list(tmp_path.glob("*.journal.jsonl"))


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--shapes", "5x1", "--n-way", 5], 2, "--n-way is of no use with --shapes"),
        (["--shapes", "5x1", "--n-shot", 5], 2, "--n-shot is of no use with --shapes"),
        (["--shapes", "5x1", "--protocol", "meta-dataset"], 2, "--shapes is of no use with --protocol meta-dataset"),
        (["--shapes", "5x"], 1, "a shape is WAYSxSHOTS"),
        (["--shapes", "9x1,20x5"], 1, "no set is large enough for any of the shapes"),
    ],
)
def test_what_does_not_go_with_shapes_is_refused(
    options: list[object], code: int, message: str, checkpoint: Path, data: Path
) -> None:
    done = _run(checkpoint, data, *options)

    assert done.exit_code == code
    assert message in " ".join(done.stderr.split())
