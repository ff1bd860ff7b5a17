"""A MobileNetV2 checkpoint, whole and without its backbone, and the file with the weights of that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hyperflow.adapted.subset import Subset, SubsetRule
from hyperflow.backbones.mobilenet_v2_weights import mobilenet_v2_of
from hyperflow.checkpoint import save_checkpoint
from hyperflow.drift.config import DriftConfig
from hyperflow.images.preprocessing import Preprocessing
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow.stripping import strip_checkpoint

Arrays = dict[str, NDArray[np.float32]]
FROM = {"where": "https://example.org/net", "licence": "MIT"}
DRIFT = DriftConfig(width=8, encoder_layers=1, encoder_heads=2, field_blocks=1, field_rank=4, output_scale=0.3)


@pytest.fixture(scope="session")
def make_model(public_arrays: Arrays) -> Callable[[SubsetRule | Subset], HyperFlow]:
    """Make a model of 32 px around the public weights, with no part of its drift zero; each time the same."""

    def make(subset: SubsetRule | Subset = "affine") -> HyperFlow:
        torch.manual_seed(0)
        brought = mobilenet_v2_of(public_arrays)
        config = ModelConfig("mn", brought.config, Preprocessing(32), subset, DRIFT, n_steps=2)
        model = HyperFlow(config, brought.network).eval()
        for parameter in model.field.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        return model

    return make


@pytest.fixture(scope="session")
def weights(public_arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.npz"
    np.savez(path, allow_pickle=False, **public_arrays)
    return path


@pytest.fixture(scope="session")
def whole(make_model: Callable[[], HyperFlow], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    save_checkpoint(make_model(), folder)
    return folder


@pytest.fixture(scope="session")
def drift(whole: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drift")
    strip_checkpoint(whole, weights, folder, **FROM)
    return folder
