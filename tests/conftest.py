"""Fixtures that several packages' tests share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def tiny_bundle() -> Path:
    """A committed bundle of a tiny untrained model (tests/data/make_tiny_bundle.py); never written to."""
    return ROOT / "tests/data/tiny.hyperflow"


@pytest.fixture
def bundle_copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the tiny bundle to spoil."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy.hyperflow"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Image sets and weights that are no part of the project: `$HYPERFLOW_DATA` with `data/` and `weights/` below."""
    folder = os.environ.get("HYPERFLOW_DATA")
    if not folder or not (Path(folder) / "data").is_dir():
        pytest.skip("needs HYPERFLOW_DATA, a folder with data/ and weights/")
    return Path(folder)
