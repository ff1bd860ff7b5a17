"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

# A busy machine or an emulated one may take its time over an example.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

ROOT = Path(__file__).parents[1]
STAGES = ((1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1))


@pytest.fixture(scope="session")
def tiny_bundle() -> Path:
    """A committed bundle of a tiny untrained model (tests/data/make_tiny_bundle.py); never written to."""
    return ROOT / "tests/data/tiny.hyperflow"


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle to spoil."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy.hyperflow"))


def _add_layer(
    arrays: dict[str, NDArray[np.float32]], prefix: str, number: int, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    fan_in = int(np.prod(shape[1:]))
    arrays[f"{prefix}conv{number}_weight"] = rng.normal(0, (2 / fan_in) ** 0.5, shape).astype(np.float32)
    for leaf, low, high in (
        ("gamma", 0.8, 1.6), ("beta", -0.1, 0.1), ("running_mean", -0.1, 0.1), ("running_var", 0.5, 2.0)
    ):  # fmt: skip
        arrays[f"{prefix}batchnorm{number}_{leaf}"] = rng.uniform(low, high, shape[0]).astype(np.float32)


@pytest.fixture(scope="session")
def public_arrays() -> dict[str, NDArray[np.float32]]:
    """Random weights of a MobileNetV2, named as in the ONNX Model Zoo's file, classifier and all; never changed."""
    rng, arrays = np.random.default_rng(0), dict[str, NDArray[np.float32]]()
    stem, block, n_in = "mobilenetv20_features_", 0, 32
    _add_layer(arrays, stem, 0, (32, 3, 3, 3), rng)
    for expansion, n_out, n_blocks in STAGES:
        for _ in range(n_blocks):
            hidden = n_in * expansion
            shapes = ((hidden, n_in, 1, 1), (hidden, 1, 3, 3), (n_out, hidden, 1, 1))
            for part, shape in enumerate(shapes):
                _add_layer(arrays, f"{stem}linearbottleneck{block}_", part, shape, rng)
            block, n_in = block + 1, n_out
    _add_layer(arrays, stem, 1, (1280, n_in, 1, 1), rng)
    arrays["mobilenetv20_output_pred_weight"] = rng.normal(size=(10, 1280, 1, 1)).astype(np.float32)
    return arrays


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Image sets and weights that are no part of the project: `$HYPERFLOW_DATA` with `data/` and `weights/` below."""
    folder = os.environ.get("HYPERFLOW_DATA")
    if not folder or not (Path(folder) / "data").is_dir():
        pytest.skip("needs HYPERFLOW_DATA, a folder with data/ and weights/")
    return Path(folder)
