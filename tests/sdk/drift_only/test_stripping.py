"""From a whole checkpoint to one without its backbone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from hyperflow.adapted.subset import Subset
from hyperflow.backbones.backbone_source import PUBLIC_SOURCES, BackboneSource
from hyperflow.backbones.brought import brought_sha256
from hyperflow.backbones.conv import ConvConfig
from hyperflow.checkpoint import load_checkpoint, read_config, save_checkpoint
from hyperflow.commands.main import main
from hyperflow.errors import CheckpointError, ConfigError
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow.stripping import source_of, strip_checkpoint

MakeModel = Callable[..., HyperFlow]
FROM = {"where": "https://example.org/net", "licence": "MIT"}


def _same(a: HyperFlow, b: HyperFlow) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_half_storage_rounds_the_drift_and_leaves_the_backbone_exact(
    whole: Path, drift: Path, weights: Path, tmp_path: Path
) -> None:
    strip_checkpoint(whole, weights, tmp_path / "half", half=True, **FROM)

    loaded, exact = load_checkpoint(tmp_path / "half", backbone=weights), load_checkpoint(whole)
    assert _same(loaded.backbone, exact.backbone)  # type: ignore[arg-type]
    for name, tensor in exact.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], tensor, rtol=1e-3, atol=1e-6, msg=name)
    sizes = [sum(t.nbytes for t in load_file(p / "model.safetensors").values()) for p in (drift, tmp_path / "half")]
    assert sizes[0] == 2 * sizes[1]


def test_a_whole_checkpoint_in_half_storage_can_be_stripped(
    make_model: MakeModel, weights: Path, tmp_path: Path
) -> None:
    save_checkpoint(make_model(), tmp_path / "half", half=True)

    strip_checkpoint(tmp_path / "half", weights, tmp_path / "drift", **FROM)

    assert torch.equal(
        load_checkpoint(tmp_path / "drift", backbone=weights).backbone.theta_0,
        make_model().backbone.theta_0,
    )


def test_the_random_half_of_a_low_rank_change_stays_in_the_checkpoint(
    make_model: MakeModel, weights: Path, tmp_path: Path
) -> None:
    model = make_model(Subset("low_rank", first_depth=0.9, rank=2))
    save_checkpoint(model, tmp_path / "whole")

    strip_checkpoint(tmp_path / "whole", weights, tmp_path / "drift", **FROM)

    assert any(name.endswith(".down") for name in load_file(tmp_path / "drift/model.safetensors"))
    assert _same(load_checkpoint(tmp_path / "drift", backbone=weights), model)


def test_a_backbone_that_was_trained_further_is_not_left_out(
    make_model: MakeModel, weights: Path, tmp_path: Path
) -> None:
    model = make_model()
    model.backbone.theta_0[3] += 0.01
    save_checkpoint(model, tmp_path / "whole")

    with pytest.raises(
        CheckpointError,
        match=r"the backbone of .*whole is not that of .*net.npz \(backbone.theta_0 differs by 0.01\); name the file",
    ):
        strip_checkpoint(tmp_path / "whole", weights, tmp_path / "drift", **FROM)

    assert not (tmp_path / "drift").exists()


def test_a_backbone_that_is_not_published_cannot_be_left_out(
    tiny_model: HyperFlow, weights: Path, tmp_path: Path
) -> None:
    save_checkpoint(tiny_model, tmp_path / "whole")
    source = BackboneSource("net.npz", "here", "MIT", "0" * 64)

    with pytest.raises(CheckpointError, match=r"is ConvConfig\(.*\); only mobilenet_v2 can be left out"):
        strip_checkpoint(tmp_path / "whole", weights, tmp_path / "drift", **FROM)
    with pytest.raises(ConfigError, match="backbone_source is for mobilenet_v2 alone"):
        save_checkpoint(tiny_model, tmp_path / "drift", backbone_source=source)
    with pytest.raises(ConfigError, match="backbone_source is for mobilenet_v2 alone"):
        ModelConfig(backbone=ConvConfig(), backbone_source=source)

    assert not (tmp_path / "drift").exists()


def test_a_known_file_needs_no_description_and_another_needs_all_of_it() -> None:
    known = PUBLIC_SOURCES[0]

    assert source_of(known.weights_sha256, file_name="copy.npz") == known
    described = source_of(known.weights_sha256, file_name="copy.npz", where="a page", licence="MIT")
    assert described == BackboneSource("copy.npz", "a page", "MIT", known.weights_sha256)
    for part in ({}, {"where": "a page"}, {"licence": "MIT"}):
        with pytest.raises(ConfigError, match=r"copy.npz is not one of the public files known .*--where and --licence"):
            source_of("0" * 64, file_name="copy.npz", **part)


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_strips_and_says_what_to_bring(whole: Path, drift: Path, weights: Path, tmp_path: Path) -> None:
    arguments: list[str | Path] = ["strip", whole, "--backbone", weights, "--out", tmp_path / "out"]
    arguments += ["--where", FROM["where"], "--licence", "MIT"]

    done, again, forced = _run(*arguments), _run(*arguments), _run(*arguments, "--force", "--json")

    assert done.exit_code == 0, done.output
    assert re.search(
        rf"Checkpoint: {tmp_path}/out \(\d+\.\d MB of \d+\.\d MB\)\nIts users bring: net.npz \(MIT\) from https://.*\n"
        rf"Next: hyperflow-export bundle {tmp_path}/out --backbone {weights}\n",
        done.stdout,
    )
    assert (again.exit_code, "add --force to replace it" in again.stderr) == (1, True)
    report = json.loads(forced.stdout)
    assert report["size_bytes"] == (tmp_path / "out/model.safetensors").stat().st_size < report["whole_size_bytes"]
    assert report["backbone_source"] == msgspec.to_builtins(read_config(drift).backbone_source)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{whole}", "--backbone", "{weights}", "--out", "{out}"], "net.npz is not one of the public files known here"),
        (["{drift}", "--backbone", "{weights}", "--out", "{out}"], "holds the drift network alone already"),
        (["{whole}", "--backbone", "{weights}", "--out", "{whole}", "--force"], "is the checkpoint itself"),
        (["{whole}", "--backbone", "{whole}/config.json", "--out", "{out}"], "is not a readable .npz file"),
    ],
    ids=["unknown file", "stripped already", "the same folder", "no weights"],
)
def test_what_cannot_be_stripped_is_one_line_and_leaves_all_as_it_was(
    arguments: list[str], message: str, whole: Path, drift: Path, weights: Path, tmp_path: Path
) -> None:
    places = {"whole": whole, "drift": drift, "weights": weights, "out": tmp_path / "out"}
    before = (whole / "model.safetensors").read_bytes()

    result = _run("strip", *(argument.format(**places) for argument in arguments))

    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
    assert (whole / "model.safetensors").read_bytes() == before


@pytest.mark.data
@pytest.mark.slow
def test_the_known_file_is_the_one_that_was_published(data_dir: Path) -> None:
    path = data_dir / "weights/mobilenetv2_onnxzoo.npz"
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)

    assert brought_sha256(arrays) == PUBLIC_SOURCES[0].weights_sha256
