"""What a backbone costs on a device: its exported graph on onnxruntime, its multiply-accumulates and its size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np
import torch
from bare_session import open_bare_session
from numpy.typing import NDArray
from timing import Times, time_in_turns
from torch.utils.flop_counter import FlopCounterMode

from hyperflow.checkpoint import load_checkpoint
from hyperflow.evaluation.evaluation_files import write_whole
from hyperflow.evaluation.subjects import subject_digest
from hyperflow.model import HyperFlow
from hyperflow_export.exporting import DEFAULT_LIMITS
from hyperflow_export.graphs import export_backbone
from hyperflow_export.sample_images import random_images
from hyperflow_runtime.backends.onnx_constant import with_constant_input

__all__ = ["BATCH", "BackboneCost", "measure_backbones"]

BATCH = 25
"""Images of a 5-way 5-shot support, which `adapt` sees again under each new theta."""


class BackboneCost(msgspec.Struct, frozen=True):
    """Cost of one backbone.

    Attributes:
        image_ms: One image by the graph with theta made a constant, as a stream of predictions uses it; median.
        image_p95_ms: 95th percentile of the same.
        batch_ms: `BATCH` images by the graph with theta as an input, as adapting uses it; median.
        batch_p95_ms: 95th percentile of the same.
        n_parameters: Of the backbone, BatchNorm folded.
        n_theta: Of these, adapted.
        mmacs: Million multiply-accumulates of convolutions and matrix products for one image.
        feature_dim: Size of a feature.
        checkpoint_mb: Size of the checkpoint, drift network included, in 10^6 bytes.
    """

    image_ms: float
    image_p95_ms: float
    batch_ms: float
    batch_p95_ms: float
    n_parameters: int
    n_theta: int
    mmacs: float
    feature_dim: int
    checkpoint_mb: float


@torch.no_grad()
def _mmacs(model: HyperFlow) -> float:
    side = model.config.preprocessing.size_px
    with FlopCounterMode(display=False) as counter:
        model.backbone.network(torch.zeros(1, 3, side, side))
    return float(counter.get_total_flops()) / 2e6


def _graph(model: HyperFlow, checkpoint: Path) -> bytes:
    """Export the backbone; the graph of the same checkpoint is kept."""
    kept = checkpoint.parent / f"backbone-{subject_digest(checkpoint)[:16]}.onnx"
    if not kept.exists():
        write_whole(kept, export_backbone(model, DEFAULT_LIMITS))
    return kept.read_bytes()


def _calls(model: HyperFlow, graph: bytes, n_threads: int) -> tuple[Callable[[], object], Callable[[], object]]:
    theta: NDArray[np.float32] = model.backbone.theta_0.numpy().astype(np.float32)
    pixels = random_images(BATCH, model.config.preprocessing.size_px, np.random.default_rng(0))
    images = np.ascontiguousarray((pixels.astype(np.float32) / 128 - 1).transpose(0, 3, 1, 2))
    baked = open_bare_session(with_constant_input(graph, "theta", theta), n_threads)
    dynamic, one = open_bare_session(graph, n_threads), images[:1]
    return (
        lambda: baked.run(None, {"images": one}),
        lambda: dynamic.run(None, {"images": images, "theta": theta}),
    )


def _cost(model: HyperFlow, checkpoint: Path, times: Times, name: str) -> BackboneCost:
    return BackboneCost(
        image_ms=times.median_ms(f"{name} image"),
        image_p95_ms=times.p95_ms(f"{name} image"),
        batch_ms=times.median_ms(f"{name} batch"),
        batch_p95_ms=times.p95_ms(f"{name} batch"),
        n_parameters=sum(parameter.numel() for parameter in model.backbone.network.parameters()),
        n_theta=model.backbone.theta_0.numel(),
        mmacs=_mmacs(model),
        feature_dim=model.backbone.feature_dim,
        checkpoint_mb=sum(file.stat().st_size for file in checkpoint.iterdir()) / 1e6,
    )


def measure_backbones(checkpoints: Mapping[str, Path], *, n_threads: int, repetitions: int) -> dict[str, BackboneCost]:
    """Time all backbones in turns, so that a busy minute disturbs all of them alike.

    Args:
        checkpoints: Folder of each, by name.
        n_threads: Threads a run may use.
        repetitions: Rounds that count.

    Raises:
        ExportError: A backbone cannot be traced.
    """
    models = {name: load_checkpoint(folder) for name, folder in checkpoints.items()}
    calls = {}
    for name, model in models.items():
        graph = _graph(model, checkpoints[name])
        calls[f"{name} image"], calls[f"{name} batch"] = _calls(model, graph, n_threads)
    times = time_in_turns(calls, repetitions, warm_up=min(3, repetitions))
    return {name: _cost(model, checkpoints[name], times, name) for name, model in models.items()}
