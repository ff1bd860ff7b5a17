"""The `hyperflow` command: a whole small run, its help, and how it fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hyperflow.checkpoint import save_checkpoint
from hyperflow.commands.main import main
from hyperflow.model import HyperFlow
from hyperflow.training import pretraining

COMMANDS = ["start", "pretrain", "simulate", "train", "compress", "strip", "datasets", "evaluate"]
EPISODES = ["--n-way", "3", "--n-shot", "2", "--n-query", "2", "--episodes", "2"]


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _fails(result: Result, exit_code: int, message: str) -> None:
    assert result.exit_code == exit_code, result.output
    assert isinstance(result.exception, SystemExit)  # anything else would have been a traceback
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `pretrain.json` and `train.json` for the smallest of runs."""
    folder = tmp_path_factory.mktemp("configs")
    model = {
        "name": "tiny",
        "backbone": {"kind": "conv", "widths": [8, 16]},
        "preprocessing": {"size_px": 32},
        "drift": {"width": 16, "encoder_layers": 1, "encoder_heads": 2, "field_blocks": 1},
        "n_steps": 2,
    }
    split = {"pretraining_share": 0.5}
    pretrain = {"model": model, "split": split, "n_steps": 4, "batch_size": 16}
    episodes = {"ways": [3, 4], "shots": [1, 2], "n_query": 3, "max_images": 30}
    train = {"split": split, "refinement": {"n_steps": 4, "episodes": episodes}}
    (folder / "pretrain.json").write_text(json.dumps(pretrain))
    (folder / "train.json").write_text(json.dumps(train))
    return folder


@pytest.fixture
def checkpoint(tiny_model: HyperFlow, tmp_path: Path) -> Path:
    save_checkpoint(tiny_model, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_pretraining_training_and_evaluating_work_one_after_the_other(
    configs: Path, shape_sets: Path, tmp_path: Path
) -> None:
    common: list[str | Path] = ["--data", shape_sets, "--cache", tmp_path / "cache", "--device", "cpu", "--quiet"]

    first = _run("pretrain", *common, "--config", configs / "pretrain.json", "--out", tmp_path / "pretrain")
    second = _run(
        "train", tmp_path / "pretrain/checkpoint", *common, "--config", configs / "train.json",
        "--out", tmp_path / "drift", "--n-steps", "3", "--seed", "4", "--json",
    )  # fmt: skip
    checkpoint = tmp_path / "drift/checkpoint"
    third = _run("evaluate", checkpoint, "--data", shape_sets, *EPISODES, "--quiet", "--json", tmp_path / "sub/r.json")

    for result in (first, second, third):
        assert result.exit_code == 0, result.output
    assert re.search(
        rf"Checkpoint: {tmp_path}/pretrain/checkpoint\nCost: .* CPU-hours, no GPU.*\nNext: hyperflow train",
        first.stdout,
    )
    outcome = json.loads(second.stdout)
    assert outcome["cost"] == json.loads((tmp_path / "drift/cost.json").read_text())
    assert outcome == {
        "checkpoint": str(checkpoint), "curves": f"{tmp_path}/drift/curves.json", "cost": outcome["cost"]
    }  # fmt: skip
    assert json.loads((tmp_path / "drift/refinement/log.jsonl").read_text())["step"] == 3
    assert [step for step, _ in json.loads((tmp_path / "drift/curves.json").read_text())["refinement"]["loss"]] == [3]
    written = json.loads((tmp_path / "sub/r.json").read_text())
    asked = {"n_way": 3, "n_shot": 2, "n_query": 2, "episodes": 2, "seed": 0}
    assert {name: written["config"][name] for name in asked} == asked
    assert sorted(written["sets"]) == ["cross", "disc", "square", "triangle"]
    assert len(written["sets"]["disc"]["per_episode"]["guarded"]) == 2
    assert set(written["mean"]["gain"]) == {"adapted", "guarded"}
    assert [file.name for file in (tmp_path / "sub").iterdir()] == ["r.json"]
    assert "3-way 2-shot, 2 episodes a set" in third.stdout


def test_an_interrupted_training_ends_in_one_line_and_goes_on_with_resume(
    configs: Path, shape_sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments: list[Any] = [
        "pretrain", "--data", shape_sets, "--cache", tmp_path / "cache", "--quiet",
        "--config", configs / "pretrain.json", "--out", tmp_path / "run",
    ]  # fmt: skip
    assert _run(*arguments).exit_code == 0

    def interrupted(self: object, index: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pretraining._Trainer, "step", interrupted)
        stopped = _run(*arguments, "--resume", "--n-steps", "6")
    again = _run(*arguments, "--resume", "--n-steps", "6")

    _fails(stopped, 130, "Interrupted; nothing half-written was left in place.")
    assert again.exit_code == 0, again.output
    assert [json.loads(line)["step"] for line in (tmp_path / "run/log.jsonl").read_text().splitlines()] == [4, 6]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["pretrain", "--data", "{sets}", "--out", "{used}"], 1, "already holds a run; add --resume to go on"),
        (["pretrain", "--data", "{empty}", "--out", "{new}"], 1, "holds no image set: expected zip files or folders"),
        (["pretrain", "--data", "{torn}", "--out", "{new}"], 1, "pens/pen/a.png cannot be decoded"),
        (["pretrain", "--data", "{sets}", "--out", "{new}", "--resume"], 1, "cannot resume from"),
        (["pretrain", "--data", "{sets}", "--out", "{file}"], 1, "File exists"),
        (["pretrain", "--data", "{nowhere}", "--out", "{new}"], 2, "does not exist"),
        (["pretrain", "--data", "{sets}", "--out", "{new}", "--n-steps", "0"], 2, "0 is not in the range x>=1"),
        (["pretrain", "--data", "{sets}", "--out", "{new}", "--seed", "-1"], 2, "-1 is not in the range x>=0"),
        (["pretrain", "--out", "{new}"], 2, "Missing option '--data'"),
        (["train", "{empty}", "--data", "{sets}", "--out", "{new}"], 1, "no checkpoint at"),
        (["train", "{checkpoint}", "--data", "{sets}", "--out", "{new}", "--config", "{bad}"], 1, "unknown field"),
        (["train", "{checkpoint}", "--data", "{empty}", "--out", "{new}"], 1, "holds no image set"),
        (["evaluate", "{empty}", "--data", "{sets}"], 1, "is neither a checkpoint (config.json) nor a bundle"),
        (["evaluate", "{checkpoint}", "--data", "{empty}"], 1, "holds no image set"),
        (["evaluate", "{checkpoint}", "--data", "{sets}", "--n-way", "9"], 1, "lower --n-way, --n-shot or --n-query"),
        (["evaluate", "{checkpoint}", "--data", "{sets}", "--n-way", "1"], 2, "1 is not in the range x>=2"),
        (["evaluate", "{checkpoint}", "--data", "{sets}", "--seed", "-1"], 2, "-1 is not in the range x>=0"),
        (["evaluate", "{checkpoint}", "--data", "{sets}", "--json", "{file}/r.json"], 1, "File exists"),
        (["distill"], 2, "No such command 'distill'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_one_message_and_an_exit_code(
    arguments: list[str], exit_code: int, message: str, checkpoint: Path, shape_sets: Path, tmp_path: Path
) -> None:
    places = {name: tmp_path / name for name in ("empty", "used", "new", "nowhere", "torn", "file", "bad")}
    for name in ("empty", "used", "torn/pens/pen"):
        (tmp_path / name).mkdir(parents=True)
    (places["used"] / "state.safetensors").touch()
    (tmp_path / "torn/pens/pen/a.png").write_bytes(b"\x89PNG")
    places["file"].touch()
    places["bad"].write_text('{"steps": 3}')
    places |= {"sets": shape_sets, "checkpoint": checkpoint}
    filled = [argument.format(**places) for argument in arguments]
    if filled[0] in ("pretrain", "train"):
        filled += ["--cache", str(tmp_path / "cache"), "--quiet"]

    result = _run(*filled)

    _fails(result, exit_code, message)
    assert not (tmp_path / "new" / "checkpoint").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_shows_an_example(command: str) -> None:
    result = _run(command, "--help")

    assert result.exit_code == 0
    assert re.search(rf"Example:\n +hyperflow {command} .*", result.stdout)
    assert "--data" in result.stdout or command in ("start", "compress", "strip", "datasets")


def test_the_help_of_the_group_names_every_command_and_shows_an_example() -> None:
    result = _run("--help")

    assert result.exit_code == 0
    assert "Example:" in result.stdout
    assert all(f"hyperflow {command} " in result.stdout for command in COMMANDS)
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)


def test_the_version_is_the_installed_one() -> None:
    result = _run("--version")

    assert result.exit_code == 0
    assert result.stdout.startswith("hyperflow, version ")


def _without(modules: tuple[str, ...], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own where some modules cannot be imported."""
    script = (
        "import sys\n"
        f"for name in {modules!r}: sys.modules[name] = None\n"
        "from hyperflow.commands.main import main\n"
        f"main({arguments!r})\n"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], *([command, "-h"] for command in COMMANDS)], ids=" ".join)
def test_help_needs_neither_torch_nor_onnx(arguments: list[str]) -> None:
    done = _without(("torch", "onnx", "onnxruntime", "onnxscript"), arguments)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Example:" in done.stdout


def test_a_command_that_needs_torch_says_that_it_is_not_installed(checkpoint: Path, shape_sets: Path) -> None:
    done = _without(("torch",), ["evaluate", str(checkpoint), "--data", str(shape_sets)])

    assert done.returncode == 1
    assert done.stderr.startswith("Error: torch is not installed; pip install ")
    assert done.stderr.count("\n") == 1
