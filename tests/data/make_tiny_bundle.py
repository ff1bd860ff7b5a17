"""Make tests/data/tiny.hyperflow: a tiny untrained model with a lively drift, exported as every other.

Run from the project's root when the bundle's schema changes:
    .venv/bin/python tests/data/make_tiny_bundle.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from hyperflow.backbones.conv import ConvConfig
from hyperflow.checkpoint import save_checkpoint
from hyperflow.drift.config import DriftConfig
from hyperflow.images.preprocessing import Preprocessing
from hyperflow.model import DeviceDefaults, HyperFlow, ModelConfig
from hyperflow_export.exporting import ExportOptions, export_bundle
from hyperflow_runtime.bundle.manifest import Limits

OUTPUT = Path(__file__).parent / "tiny.hyperflow"


def tiny_model() -> HyperFlow:
    """Two stages, 32 px, a drift of width 16 whose output layer is not zero."""
    torch.manual_seed(0)
    config = ModelConfig(
        name="tiny",
        backbone=ConvConfig(widths=(8, 16)),
        preprocessing=Preprocessing(32),
        drift=DriftConfig(
            width=16,
            encoder_layers=1,
            encoder_heads=2,
            field_blocks=1,
            channel_width=8,
            feedback_width=16,
            output_scale=0.3,
        ),
        n_steps=2,
        device=DeviceDefaults(logit_scale=10.0, unknown_floor=0.3),
    )
    model = HyperFlow(config).eval()
    for weight in (model.field.directions, model.field.channels.out.weight, model.field.feedback.out.weight):
        torch.nn.init.normal_(weight, std=0.3)
    return model


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        save_checkpoint(tiny_model(), Path(folder))
        limits = Limits(max_batch=8, max_support=24, max_ways=6)
        print(export_bundle(ExportOptions(Path(folder), OUTPUT, limits=limits, force=True)).output)
