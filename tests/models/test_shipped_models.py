"""Every model in models/ is whole, small and described, and its drift moves theta."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hyperflow.checkpoint import load_checkpoint, read_config
from hyperflow.errors import CheckpointError

ROOT = Path(__file__).parents[2]
MODELS = sorted(config.parent for config in ROOT.glob("models/*/config.json"))
WHOLE = [folder for folder in MODELS if read_config(folder).backbone_source is None]
DRIFT_ONLY = [folder for folder in MODELS if folder not in WHOLE]


def test_there_are_models_and_no_other_folders() -> None:
    assert WHOLE
    assert [folder.name for folder in sorted(ROOT.glob("models/*")) if folder not in MODELS] == []


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.name)
def test_a_shipped_model_is_small_described_and_calibrated(folder: Path) -> None:
    config = read_config(folder)

    assert config.name == folder.name
    assert sum(file.stat().st_size for file in folder.iterdir()) < 20e6
    assert (folder / "MODEL_CARD.md").is_file()
    assert 0.0 in config.device.candidates
    assert config.device.step_size in config.device.candidates


@torch.no_grad()
@pytest.mark.parametrize("folder", WHOLE, ids=lambda folder: folder.name)
def test_a_shipped_drift_moves_theta_with_the_support(folder: Path) -> None:
    model = load_checkpoint(folder)
    generator = torch.Generator().manual_seed(0)
    onehot = torch.eye(5).repeat_interleave(5, dim=0)
    side = model.config.preprocessing.size_px
    one, other = (model.encode(torch.randn(25, 3, side, side, generator=generator)) for _ in range(2))

    moved = model.adapt(one, onehot, torch.ones(())).theta

    assert (moved - model.backbone.theta_0).abs().max() > 1e-3
    assert not torch.allclose(moved, model.adapt(other, onehot, torch.ones(())).theta)


@pytest.mark.parametrize("folder", DRIFT_ONLY, ids=lambda folder: folder.name)
def test_a_model_without_its_backbone_says_what_to_bring(folder: Path) -> None:
    source = read_config(folder).backbone_source
    assert source is not None

    with pytest.raises(CheckpointError, match="holds the drift network alone") as raised:
        load_checkpoint(folder)

    assert source.file_name in str(raised.value)
