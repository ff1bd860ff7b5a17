"""The shipped models in fp16: what flows through their graphs, and that an engine's builder sees the same types."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from hyperflow.checkpoint import load_checkpoint
from hyperflow.model import HyperFlow
from hyperflow_export.backbone_file import read_backbone_file
from hyperflow_export.exporting import DEFAULT_LIMITS
from hyperflow_export.graphs import export_backbone
from hyperflow_export.precision.authoring import backbone_in_half
from hyperflow_export.precision.calibration_tasks import task_of_images
from hyperflow_export.precision.graph_view import GraphView, load_graph

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def _backbone(model: HyperFlow) -> tuple[bytes, dict[str, float], tuple[str, ...]]:
    """The backbone in fp16, its shares and what was kept in fp32."""
    side = model.config.preprocessing.size_px
    images = np.random.default_rng(0).standard_normal((6, 3, side, side), dtype=np.float32)
    task = task_of_images(model, images, np.eye(3, dtype=np.float32).repeat(2, axis=0))
    data, arithmetic = backbone_in_half(export_backbone(model, DEFAULT_LIMITS), [task])
    return data, {str(key): share for key, share in arithmetic.shares.items()}, arithmetic.kept


@pytest.fixture(scope="module", params=["small", "nano"])
def shipped(request: pytest.FixtureRequest) -> bytes:
    data, shares, kept = _backbone(load_checkpoint(ROOT / "models" / request.param))
    assert shares == {"fp32": 0.0, "fp16": 1.0, "int8": 0.0}
    assert kept == ()
    return data


def _casts(data: bytes) -> int:
    return sum(node.op_type == "Cast" for node in GraphView(load_graph(data)).nodes)


def test_a_shipped_backbone_is_fp16_from_the_images_to_the_pooling(shipped: bytes) -> None:
    assert _casts(shipped) == 3


def test_tensorrt_for_rtx_sees_only_fp16_convolutions_and_builds_an_engine(
    shipped: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs TensorRT for RTX, which builds engines without a GPU")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from precision_engines import build_engine, load_tensorrt_rtx

    side = GraphView(load_graph(shipped)).shape("images")[-1]
    profile = {"images": ((1, 3, side, side), (8, 3, side, side), (64, 3, side, side))}
    found = build_engine(load_tensorrt_rtx(), shipped, profile)

    assert set(found.products) == {"HALF to HALF"}
    assert 0 < found.size_bytes < 2 * len(shipped)
    sys.modules.pop("precision_engines")


@pytest.mark.data
@torch.no_grad()
def test_the_public_mobilenet_is_fp16_too(data_dir: Path) -> None:
    weights = read_backbone_file(data_dir / "weights/mobilenetv2_onnxzoo.npz")
    model = load_checkpoint(ROOT / "models/mobilenetv2", backbone=weights, origin="weights")

    data, shares, kept = _backbone(model)

    assert (shares["fp16"], kept, _casts(data)) == (1.0, (), 3)
    types = Counter(node.op_type for node in GraphView(load_graph(data)).nodes)
    assert (types["Conv"], types["Mul"]) == (53, 53)
