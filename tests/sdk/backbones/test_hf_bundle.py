"""A transformer whose qkv biases are theta, from a checkpoint to answers on the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from hyperflow.adapted.subset import Subset
from hyperflow.backbones.hf_loading import load_hf
from hyperflow.checkpoint import save_checkpoint
from hyperflow.drift.config import DriftConfig
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow_export.exporting import ExportOptions, ExportReport, export_bundle
from hyperflow_export.graphs import export_backbone
from hyperflow_runtime import open_bundle
from hyperflow_runtime.bundle.manifest import Limits

LIMITS = Limits(max_batch=8, max_support=24, max_ways=6)
DRIFT = DriftConfig(width=8, encoder_layers=0, encoder_heads=1, field_blocks=0, output_scale=0.3)


def _model(folder: Path, subset: Subset) -> HyperFlow:
    loaded = load_hf(str(folder), size_px=48)
    model = HyperFlow(ModelConfig("vit", loaded.config, loaded.preprocessing, subset, DRIFT, 1), loaded.network)
    for parameter in model.field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


@pytest.fixture(scope="module")
def exported(saved_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> ExportReport:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vit")
    save_checkpoint(_model(saved_models["vit"], Subset("qkv_bias", first_depth=0.5)), folder / "checkpoint")
    return export_bundle(ExportOptions(folder / "checkpoint", folder / "vit.hyperflow", limits=LIMITS))


def test_the_bundle_agrees_with_the_training_network(exported: ExportReport) -> None:
    assert len(exported.checks) > 5
    assert all(check.passed for check in exported.checks)
    assert any("baked" in check.name for check in exported.checks)


def test_a_session_adapts_and_answers_baked_and_not(exported: ExportReport) -> None:
    rng = np.random.default_rng(0)
    frames = {name: rng.integers(0, 255, (4, 60, 50, 3), dtype=np.uint8) // 2 + 60 * i for i, name in enumerate("ab")}
    with open_bundle(exported.output, n_threads=1) as model:
        session = model.session(bake=False)
        baked = model.session(bake=True)
        for one in (session, baked):
            for name, shots in frames.items():
                one.add(name, list(shots[:3]))
            one.adapt(guard=False)
        predictions = [(session.predict(shots[3]), baked.predict(shots[3])) for shots in frames.values()]

    for plain, fast in predictions:
        assert plain.scores == pytest.approx(fast.scores, abs=1e-4)


def test_low_rank_changes_export_with_theta_as_an_input_and_kernels_as_constants(saved_models: dict[str, Path]) -> None:
    model = _model(saved_models["convnext"], Subset("low_rank", first_depth=0.7, rank=2))

    graph = onnx.load_from_string(export_backbone(model, LIMITS)).graph

    assert [node.name for node in graph.input] == ["images", "theta"]
    assert graph.input[1].type.tensor_type.shape.dim[0].dim_value == model.backbone.layout.n_parameters
    constants = {tensor.name for tensor in graph.initializer}
    assert all(node.input[1] in constants for node in graph.node if node.op_type == "Conv")
