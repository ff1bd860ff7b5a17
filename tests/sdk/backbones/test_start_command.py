"""`hyperflow start`: from a backbone to a checkpoint that the other commands take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from hyperflow.adapted.subset import Subset
from hyperflow.checkpoint import load_checkpoint
from hyperflow.commands.main import main

SMALL = {"width": 16, "encoder_layers": 1, "encoder_heads": 2, "field_blocks": 1}


@pytest.fixture
def drift(tmp_path: Path) -> Path:
    (tmp_path / "drift.json").write_text(json.dumps(SMALL))
    return tmp_path / "drift.json"


def _start(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(main, ["start", *map(str, arguments)])


def test_a_transformer_becomes_a_checkpoint_that_changes_nothing_yet(
    saved_models: dict[str, Path], drift: Path, tmp_path: Path
) -> None:
    out = tmp_path / "start"
    result = _start(
        "--backbone", f"hf:{saved_models['vit']}", "--size-px", 48, "--subset", "qkv_bias", "--out", out,
        "--drift", drift, "--licence", "MIT", "--n-steps", 3,
    )  # fmt: skip
    assert result.exit_code == 0, result.output

    model = load_checkpoint(out)

    features, onehot = model.encode(torch.randn(4, 3, 48, 48)), torch.eye(2).repeat(2, 1)
    adapted = model.adapt(features, onehot, torch.ones(()))
    assert torch.equal(adapted.theta, model.backbone.theta_0)
    assert adapted.step_norms.shape == (3,)
    assert (model.config.name, model.config.licence, model.config.subset) == ("start", "MIT", "qkv_bias")
    n_all = sum(parameter.numel() for parameter in model.backbone.network.parameters())
    assert f"Adapted: 96 of {n_all:,} parameters ({96 / n_all:.3%}) in 6 tensors" in result.stdout
    assert result.stdout.splitlines()[-1] == f"Next: hyperflow train {out} --data DIR --out runs/drift"


def test_limits_are_kept_and_the_same_seed_gives_the_same_file(drift: Path, tmp_path: Path) -> None:
    arguments: list[str | Path] = [
        "--backbone",
        "conv:8,16",
        "--drift",
        drift,
        "--first-depth",
        "0.5",
        "--within",
        "stages",
        "--json",
    ]

    results = [_start(*arguments, "--name", "c", "--seed", 7, "--out", tmp_path / name) for name in "ab"]

    report = json.loads(results[0].stdout)
    assert load_checkpoint(tmp_path / "a").config.subset == Subset("affine", 0.5, 1.0, ("stages",))
    assert report["adapted_parameters"] == 2 * 3 * 16
    assert report["adapted_tensors"] == 6
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert weights[0] == weights[1]


def test_a_checkpoint_that_is_there_is_replaced_only_by_force(drift: Path, tmp_path: Path) -> None:
    arguments: list[str | Path] = ["--backbone", "conv:8", "--drift", drift, "--out", tmp_path / "out", "--quiet"]
    assert _start(*arguments).output == ""

    refused, forced = _start(*arguments), _start(*arguments, "--force", "--seed", 1)

    assert refused.exit_code == 1
    assert "holds a checkpoint; add --force to replace it, or choose another --out" in refused.stderr
    assert forced.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbone", "vit"], "backbone must be one of conv[:WIDTHS], mobilenet_v2:FILE.npz"),
        (["--backbone", "conv:8", "--subset", "qkv_bias"], "subset 'qkv_bias' names no parameter of ConvNet"),
        (["--backbone", "conv:8", "--first-depth", "0.5", "--last-depth", "0.4"], "first_depth < last_depth"),
    ],
)
def test_what_cannot_work_is_one_line_and_leaves_nothing(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = _start(*arguments, "--out", tmp_path / "out")

    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_help_needs_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from hyperflow.commands.main import main\n"
        "try: main(['start', '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'msgspec'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "hyperflow start --backbone conv --size-px 64" in done.stdout
