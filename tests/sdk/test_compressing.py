"""A drift field keeps what it does in fewer numbers."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.commands.main import main
from hyperflow.compressing import compress_checkpoint, compressed_model, kept_share
from hyperflow.errors import CheckpointError, ConfigError
from hyperflow.model import HyperFlow, ModelConfig

ONEHOT = torch.eye(3).repeat(2, 1)


def _model(config: ModelConfig, field_rank: int, seed: int = 0) -> HyperFlow:
    drift = msgspec.structs.replace(config.drift, field_rank=field_rank, channel_width=0, feedback_width=0, dropout=0.0)
    torch.manual_seed(seed)
    model = HyperFlow(msgspec.structs.replace(config, drift=drift)).eval()
    for parameter in model.field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@torch.no_grad()
def _change(model: HyperFlow, features: torch.Tensor) -> torch.Tensor:
    return model.adapt(features, ONEHOT, torch.ones(())).theta - model.backbone.theta_0


@pytest.mark.parametrize("field_rank", [0, 5], ids=["an output a coordinate", "five directions"])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_nothing_is_lost_when_all_directions_are_kept(tiny_config: ModelConfig, field_rank: int, seed: int) -> None:
    model = _model(tiny_config, field_rank, seed)
    features = torch.rand(6, 16)

    small = compressed_model(model, field_rank or tiny_config.drift.width)

    change = _change(model, features)
    assert change.abs().max() > 1e-3
    torch.testing.assert_close(_change(small, features), change, rtol=1e-3, atol=1e-4 * float(change.abs().max()))


def test_a_field_of_two_directions_needs_no_more_than_two(tiny_config: ModelConfig) -> None:
    model = _model(tiny_config, 0)
    with torch.no_grad():
        model.field.directions.copy_(torch.randn(16, 2) @ model.field.directions[:2])
    features = torch.rand(6, 16)

    assert kept_share(model, 2) == pytest.approx(1.0)
    assert kept_share(model, 1) < 0.999
    whole, small = _change(model, features), _change(compressed_model(model, 2), features)
    torch.testing.assert_close(small, whole, rtol=1e-3, atol=1e-4)


def test_more_directions_are_nearer_to_the_whole_field(tiny_config: ModelConfig) -> None:
    model, features = _model(tiny_config, 0), torch.rand(6, 16)
    whole = _change(model, features)

    gaps = [float((_change(compressed_model(model, rank), features) - whole).norm()) for rank in (2, 8, 16)]

    assert gaps[0] > gaps[1] > gaps[2]


def test_a_compressed_field_can_be_compressed_again(tiny_config: ModelConfig) -> None:
    twice = compressed_model(compressed_model(_model(tiny_config, 0), 8), 4)
    once = compressed_model(_model(tiny_config, 0), 4)
    features = torch.rand(6, 16)

    torch.testing.assert_close(_change(twice, features), _change(once, features), rtol=1e-3, atol=1e-4)


def test_the_command_writes_a_smaller_checkpoint(tiny_config: ModelConfig, tmp_path: Path) -> None:
    save_checkpoint(_model(tiny_config, 0), tmp_path / "whole")

    result = CliRunner().invoke(
        main, ["compress", str(tmp_path / "whole"), "--rank", "3", "--out", str(tmp_path / "small"), "--json"]
    )

    assert result.exit_code == 0, result.output
    small = load_checkpoint(tmp_path / "small")
    assert small.config.drift.field_rank == 3
    assert small.field.directions.shape[0] == 3
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "small")]
    assert sizes[1] < sizes[0]


def test_a_checkpoint_is_not_compressed_onto_itself(tiny_config: ModelConfig, tmp_path: Path) -> None:
    save_checkpoint(_model(tiny_config, 0), tmp_path)

    with pytest.raises(CheckpointError, match="name another folder"):
        compress_checkpoint(tmp_path, tmp_path, 3)


@pytest.mark.parametrize("rank", [0, 17])
def test_a_rank_that_the_field_has_not_is_refused(tiny_config: ModelConfig, rank: int) -> None:
    with pytest.raises(ConfigError, match=r"rank must be 1\.\.16"):
        compressed_model(_model(tiny_config, 0), rank)


def test_a_field_with_parts_outside_its_directions_is_refused(tiny_model: HyperFlow) -> None:
    with pytest.raises(ConfigError, match="channel and feedback parts"):
        compressed_model(tiny_model, 2)
