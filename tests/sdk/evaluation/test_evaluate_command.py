"""`hyperflow evaluate` from end to end, killed and resumed for real, and refusing what cannot be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from hyperflow.checkpoint import save_checkpoint
from hyperflow.commands.main import main
from hyperflow.model import HyperFlow

N_EPISODES = 40


@pytest.fixture
def checkpoint(tiny_model: HyperFlow, tmp_path: Path) -> Path:
    save_checkpoint(tiny_model, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def _run(subject: Path, data: Path, *options: object) -> Result:
    return CliRunner().invoke(main, ["evaluate", str(subject), "--data", str(data), *map(str, options)])


def _without_cost(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text())
    del result["cost"]
    return result


def _killed_after(n_lines: int, journal: Path, arguments: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from hyperflow.commands.main import main; main()", *arguments],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    with process:
        while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") >= n_lines):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        error = process.communicate()[1].decode()
    assert process.returncode == -signal.SIGKILL, error


def test_an_evaluation_that_was_killed_goes_on_and_ends_like_one_that_was_not(
    checkpoint: Path, shape_sets: Path, tmp_path: Path
) -> None:
    out, journal = tmp_path / "killed.json", tmp_path / "killed.journal.jsonl"
    options = ["--n-way", 8, "--n-shot", 1, "--n-query", 3, "--episodes", N_EPISODES, "--no-costs", "--quiet"]
    arguments = ["evaluate", checkpoint, "--data", shape_sets / "disc", *options, "--json", out]
    _killed_after(10, journal, [str(argument) for argument in arguments])

    lines = journal.read_bytes().splitlines(keepends=True)
    n_kept = sum(line.endswith(b"\n") for line in lines)
    assert 10 <= n_kept < N_EPISODES
    assert not out.exists()
    journal.write_bytes(b"".join(lines[:n_kept]) + b'{"kind":"episode","set":"di')

    refused = _run(checkpoint, shape_sets / "disc", *options, "--json", out)
    assert refused.exit_code == 1
    assert "add --resume" in " ".join(refused.stderr.split())
    other = _run(checkpoint, shape_sets / "disc", *options, "--seed", 1, "--json", out, "--resume")
    assert other.exit_code == 1
    assert "is of another evaluation" in " ".join(other.stderr.split())

    kept = [json.loads(line) for line in lines[:n_kept]]
    done = _run(checkpoint, shape_sets / "disc", *options, "--json", out, "--csv", tmp_path / "k.csv", "--resume")
    assert done.exit_code == 0, done.output
    assert not journal.exists()
    seconds = [line.split(",")[6] for line in (tmp_path / "k.csv").read_text().splitlines() if ",direct," in line]
    known = [line["answers"]["direct"]["seconds"] for line in kept if line["kind"] == "episode"]
    assert [float(value) for value in seconds[: len(known)]] == known  # these were not answered again

    whole = tmp_path / "whole.json"
    assert _run(checkpoint, shape_sets / "disc", *options, "--json", whole).exit_code == 0
    assert _without_cost(out) == _without_cost(whole)


def test_everything_can_be_asked_for_at_once(checkpoint: Path, shape_sets: Path, tmp_path: Path) -> None:
    recipes = tmp_path / "recipes.json"
    recipes.write_text('{"subset_tuning": {"n_steps": 2, "learning_rate": 0.1}, "full_tuning": '
                       '{"parameters": "all", "n_steps": 3}}')  # fmt: skip
    sizes = ["--n-way", 8, "--n-shot", 2, "--n-query", 3, "--episodes", 3]
    more = ["--methods", "all", "--recipes", recipes, "--tuning-episodes", 2, "--curves"]
    files = ["--json", tmp_path / "r.json", "--csv", tmp_path / "r.csv", "--plots", tmp_path / "plots"]

    done = _run(checkpoint, shape_sets / "square", *sizes, *more, *files)

    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["config"]["recipes"]["subset_tuning"]["learning_rate"] == 0.1
    assert result["mean"]["n"] == {
        "direct": 3, "adapted": 3, "guarded": 3, "subset_tuning": 2, "full_tuning": 2, "linear_probe": 2
    }  # fmt: skip
    for method in ("subset_tuning", "linear_probe"):
        assert isinstance(result["mean"]["accuracy"][method]["mean"], float)
        assert isinstance(result["sets"]["square"]["gain"][method]["ci95"], float)
        assert result["cost"][method]["macs"] > 0
        assert len(result["sets"]["square"]["per_episode"][method]) == 2
    assert len((tmp_path / "r.csv").read_text().splitlines()) == 1 + 3 * 3 + 2 * 3
    assert {path.suffix for path in (tmp_path / "plots").iterdir()} == {".png", ".json"}
    assert "linear_probe" in done.stdout
    assert "square: direct" in " ".join(done.stderr.split())


def test_episodes_may_vary_in_ways_and_shots(checkpoint: Path, shape_sets: Path, tmp_path: Path) -> None:
    options = ["--protocol", "meta-dataset", "--episodes", 4, "--quiet", "--no-costs", "--json", tmp_path / "r.json"]

    done = _run(checkpoint, shape_sets / "disc", *options)

    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["config"]["n_way"] is None
    assert len(set(result["sets"]["disc"]["n_support"])) > 1
    assert "meta-dataset, 4 episodes a set" in " ".join(done.stdout.split())


def _write_orbit_user(root: Path, user: str, seed: int) -> None:
    """Two objects of one noisy colour each; the second has two clutter videos, the first has one."""
    rng = np.random.default_rng(seed)
    for number, thing in enumerate(("keys", "mug")):
        for kind, n_videos in (("clean", 1), ("clutter", number + 1)):
            for video in range(n_videos):
                name = f"{user}--{thing}--{kind}--{video}"
                folder = root / "test" / user / thing / kind / name
                folder.mkdir(parents=True)
                for frame in range(52 if kind == "clutter" else 31):
                    noise = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                    noise[..., number] //= 2
                    Image.fromarray(noise).save(folder / f"{name}-{frame:05}.png")
                if kind == "clutter":
                    (root / "annotations/test").mkdir(parents=True, exist_ok=True)
                    (root / f"annotations/test/{name}.json").write_text("{}")


def test_videos_of_every_user_count_alike(checkpoint: Path, tmp_path: Path) -> None:
    for number, user in enumerate(("P1", "P2")):
        _write_orbit_user(tmp_path / "orbit", user, number)
    options = ["--protocol", "orbit", "--split", "TEST", "--episodes", 2, "--quiet", "--no-costs"]

    done = _run(checkpoint, tmp_path / "orbit", *options, "--json", tmp_path / "r.json")

    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "r.json").read_text())
    assert result["sets"]["P1"]["n"]["direct"] == 2 * 3
    assert len(result["sets"]["P1"]["per_episode"]["direct"]) == 2
    assert result["mean"]["n"]["guarded"] == 12
    means = [result["sets"][user]["accuracy"]["direct"]["mean"] for user in ("P1", "P2")]
    assert result["over_groups"]["direct"]["mean"] == pytest.approx(np.mean(means))
    assert "Mean over all videos" in done.stdout


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--protocol", "orbit", "--n-way", 5], 2, "--n-way is of no use with --protocol orbit"),
        (["--protocol", "cdfsl", "--n-query", 5], 2, "--n-query is of no use with --protocol cdfsl"),
        (["--protocol", "meta-dataset", "--n-shot", 5], 2, "--n-shot is of no use with --protocol meta-dataset"),
        (["--protocol", "orbit"], 1, "needs an ORBIT user"),
        (["--protocol", "cdfsl", "--n-shot", 3], 1, "CDFSL has 1, 5, 20 or 50 shots, got 3"),
        (["--n-way", 9], 1, "9-way 5-shot with 10 queries needs 9 classes"),
        (["--methods", "direct,magic"], 1, "no method magic"),
        (["--resume"], 1, "--resume needs the --json of the interrupted evaluation"),
        (["--split", "TEST"], 1, "has no TEST split"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    options: list[object], code: int, message: str, checkpoint: Path, shape_sets: Path
) -> None:
    done = _run(checkpoint, shape_sets, "--quiet", *options)

    assert done.exit_code == code
    assert isinstance(done.exception, SystemExit)  # anything else would have been a traceback
    assert message in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"subset_tuning": {"steps": 2}}', "unknown field `steps`"),
        ('{"full_tuning": {"n_steps": 2}}', 'full_tuning "all"'),
        ("{", "is not a configuration of this command"),
    ],
)
def test_recipes_that_cannot_be_read_are_refused(
    text: str, message: str, checkpoint: Path, shape_sets: Path, tmp_path: Path
) -> None:
    (tmp_path / "recipes.json").write_text(text)

    done = _run(checkpoint, shape_sets, "--quiet", "--recipes", tmp_path / "recipes.json")

    assert done.exit_code == 1
    assert message in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "direct,linear_probe"], "a bundle answers direct, adapted, guarded, but not linear_probe"),
        (["--methods", "all"], "but not subset_tuning, full_tuning, linear_probe, which needs gradients"),
        (["--curves"], "curves need a checkpoint"),
    ],
)
def test_a_bundle_answers_only_what_needs_no_gradient(
    options: list[str], message: str, tiny_bundle: Path, shape_sets: Path
) -> None:
    done = _run(tiny_bundle, shape_sets, "--quiet", *options)

    assert done.exit_code == 1
    assert message in " ".join(done.stderr.split())
