"""A checkpoint and the bundle exported from it, and images to ask both about."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from hyperflow.checkpoint import save_checkpoint
from hyperflow.model import HyperFlow
from hyperflow_export import exporting
from hyperflow_export.exporting import ExportOptions, export_bundle
from hyperflow_runtime.bundle.manifest import Limits

N_CLASSES, N_IMAGES = 6, 12

MakeTwins = Callable[[dict[str, Any]], tuple[Path, Path]]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors as small as these are computed faster without a second thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def _exported(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory, _one_thread: None) -> Path:
    """A folder with `checkpoint` and `bundle` of the tiny model with no part of its drift zero; never written to."""
    folder = tmp_path_factory.mktemp("exported")
    model: HyperFlow = runpy.run_path(str(tiny_bundle.parent / "make_tiny_bundle.py"))["tiny_model"]()
    for parameter in model.field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    save_checkpoint(model, folder / "checkpoint")
    limits = Limits(max_batch=8, max_support=24, max_ways=6)
    with pytest.MonkeyPatch.context() as patch:  # the backbone is the committed one; the drift is traced
        patch.setattr(exporting, "export_backbone", lambda *_: (tiny_bundle / "backbone.onnx").read_bytes())
        export_bundle(ExportOptions(folder / "checkpoint", folder / "bundle", limits=limits))
    return folder


@pytest.fixture
def make_twins(_exported: Path, tmp_path: Path) -> MakeTwins:
    """Copy checkpoint and bundle, and give both the same other defaults for the device."""

    def make(device: dict[str, Any]) -> tuple[Path, Path]:
        twins = Path(shutil.copytree(_exported, tmp_path / "twins"))
        for file, part in (("checkpoint/config.json", "device"), ("bundle/manifest.json", "adaptation")):
            content = json.loads((twins / file).read_text())
            content[part] |= device
            (twins / file).write_text(json.dumps(content))
        return twins / "checkpoint", twins / "bundle"

    return make


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six classes that overlap: stripes of a direction under noise, images of many sizes."""
    root = tmp_path_factory.mktemp("agreement") / "stripes"
    rng = np.random.default_rng(0)
    for c in range(N_CLASSES):
        (root / f"class{c}").mkdir(parents=True)
        for index in range(N_IMAGES):
            height, width = rng.integers(33, 90, size=2)
            y, x = np.mgrid[:height, :width] / 4
            wave = np.sin(x * np.cos(c / 2) + y * np.sin(c / 2))[:, :, None] * np.array([60, 40, 20 + 5 * c])
            pixels = 120 + wave + rng.normal(0, 60, (height, width, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / f"class{c}/{index:02}.png")
    return root
