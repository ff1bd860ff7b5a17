"""A tiny model, and image sets of coloured shapes, that the tests of the sdk share."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from hyperflow.backbones.conv import ConvConfig
from hyperflow.drift.config import DriftConfig
from hyperflow.images.preprocessing import Preprocessing
from hyperflow.model import HyperFlow, ModelConfig

N_CLASSES, N_IMAGES, SIDE_PX = 8, 14, 40


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors as small as these are computed faster without a second thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(autouse=True)
def _seeded(_one_thread: None) -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tiny_config() -> ModelConfig:
    """Two stages, 32 px, a drift of width 16."""
    return ModelConfig(
        name="tiny",
        backbone=ConvConfig(widths=(8, 16)),
        preprocessing=Preprocessing(32),
        drift=DriftConfig(width=16, encoder_layers=1, encoder_heads=2, field_blocks=1, output_scale=0.3),
        n_steps=2,
    )


@pytest.fixture
def tiny_model(tiny_config: ModelConfig) -> HyperFlow:
    """An untrained model whose drift moves theta: nothing in it is zero."""
    model = HyperFlow(tiny_config).eval()
    for parameter in model.field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def _draw_shape(shape: str, hue: float, rng: np.random.Generator) -> Image.Image:
    """One shape of one colour, somewhere on noisy grey."""
    ground = rng.normal(128, 20, size=(SIDE_PX, SIDE_PX, 3)).clip(0, 255).astype(np.uint8)
    image = Image.fromarray(ground)
    colour = tuple(round(255 * part) for part in colorsys.hsv_to_rgb(hue, 1.0, rng.uniform(0.7, 1.0)))
    side = int(rng.integers(18, 30))
    x, y = rng.integers(0, SIDE_PX - side, size=2).tolist()
    draw = ImageDraw.Draw(image)
    if shape == "disc":
        draw.ellipse((x, y, x + side, y + side), fill=colour)
    elif shape == "square":
        draw.rectangle((x, y, x + side, y + side), fill=colour)
    elif shape == "cross":
        draw.line((x, y, x + side, y + side), fill=colour, width=7)
        draw.line((x, y + side, x + side, y), fill=colour, width=7)
    else:
        draw.polygon(((x, y + side), (x + side // 2, y), (x + side, y + side)), fill=colour)
    return image


@pytest.fixture(scope="session")
def shape_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four sets, one a shape, each with a class for every one of eight colours; never written to."""
    root = tmp_path_factory.mktemp("shapes")
    for number, shape in enumerate(("cross", "disc", "square", "triangle")):
        rng = np.random.default_rng(number)
        for c in range(N_CLASSES):
            folder = root / shape / f"colour{c}"
            folder.mkdir(parents=True)
            for index in range(N_IMAGES):
                _draw_shape(shape, c / N_CLASSES, rng).save(folder / f"{index:02}.png")
    return root
