"""A tiny checkpoint, the bundle it is exported to, and a few real images, that the tests of export share."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hyperflow.checkpoint import save_checkpoint
from hyperflow.model import HyperFlow
from hyperflow_export import exporting
from hyperflow_export.exporting import ExportOptions, ExportReport, export_bundle
from hyperflow_runtime.bundle.manifest import Limits

LIMITS = Limits(max_batch=8, max_support=24, max_ways=6)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors as small as these are computed faster without a second thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="session")
def tiny_model() -> HyperFlow:
    """The model of `tests/data/tiny.hyperflow`, but with no part of its drift zero; never written to."""
    script = runpy.run_path(str(Path(__file__).parents[1] / "data/make_tiny_bundle.py"))
    model: HyperFlow = script["tiny_model"]()
    for parameter in model.field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.fixture(scope="session")
def checkpoint(tiny_model: HyperFlow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model's checkpoint; never written to."""
    folder = tmp_path_factory.mktemp("model") / "checkpoint"
    save_checkpoint(tiny_model, folder)
    return folder


@pytest.fixture(scope="session")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory, _one_thread: None) -> ExportReport:
    """The report of an export that was really traced, once for all tests; its output is never written to."""
    output = tmp_path_factory.mktemp("exported") / "desk.hyperflow"
    return export_bundle(ExportOptions(checkpoint, output, limits=LIMITS))


@pytest.fixture
def traced_before(exported: ExportReport, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the graphs that were traced for `exported` instead of spending seconds on tracing them again."""
    monkeypatch.setattr(exporting, "export_backbone", lambda *_: (exported.output / "backbone.onnx").read_bytes())
    monkeypatch.setattr(exporting, "export_adapt", lambda *_: (exported.output / "adapt.onnx").read_bytes())


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three classes with five images each, no two of one size."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for c, label in enumerate(("key", "mug", "pen")):
        (root / label).mkdir()
        for index in range(5):
            ground = rng.normal(100, 40, size=(40 + 3 * index, 50 + 5 * c, 3)) + 60 * np.eye(3)[c]
            Image.fromarray(ground.clip(0, 255).astype(np.uint8)).save(root / label / f"{index}.png")
    return root


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny vision transformer with random weights, as transformers itself saves it; never written to."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        "vit", hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32,
        patch_size=8,
    )  # fmt: skip
    network = transformers.AutoModel.from_config(config)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    folder = tmp_path_factory.mktemp("hub") / "vit"
    network.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def many_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of three and two classes with fifteen images each: enough to calibrate on."""
    root, rng = tmp_path_factory.mktemp("many"), np.random.default_rng(1)
    for name, labels in (("desk", ("key", "mug", "pen")), ("tools", ("drill", "saw"))):
        for c, label in enumerate(labels):
            (root / name / label).mkdir(parents=True)
            for index in range(15):
                ground = rng.normal(90, 30, size=(40, 40, 3)) + 80 * np.eye(3)[c]
                coarse = np.kron(rng.normal(0, 40, size=(5, 5, 1)), np.ones((8, 8, 1)))
                pixels = (ground + coarse).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(root / name / label / f"{index}.png")
    return root
