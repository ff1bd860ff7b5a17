"""The two graphs of a bundle, traced from a model by torch's ONNX exporter.

Theta and the step size are inputs, the Euler steps are unrolled, and batch, support and ways are dynamic.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import onnx
import torch
from torch import nn
from torch.export import Dim

from hyperflow.model import HyperFlow
from hyperflow_export.errors import ExportError
from hyperflow_runtime.bundle.manifest import Limits

__all__ = ["OPSET", "export_adapt", "export_backbone"]

OPSET = 20
"""The newest that TensorRT 10.3's parser and onnxruntime 1.23 both read."""


class _AdaptGraph(nn.Module):
    """`HyperFlow.adapt` with plain tensors as results."""

    def __init__(self, model: HyperFlow) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, features: torch.Tensor, labels_onehot: torch.Tensor, step_size: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        theta, step_norms = self.model.adapt(features, labels_onehot, step_size)
        return theta, step_norms


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress lines off stdout, where `--json` has to stay clean."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _export(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], input_names: list[str], output_names: list[str],
    dynamic_shapes: tuple[dict[int, Dim] | None, ...],
) -> bytes:  # fmt: skip
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module.eval(),
                inputs,
                input_names=input_names,
                output_names=output_names,
                dynamic_shapes=dynamic_shapes,
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                optimize=True,
                verbose=False,
            )
    except Exception as error:  # the exporter wraps whatever a traced module raises in types of its own
        raise ExportError(f"{type(module).__name__} cannot be traced to ONNX ({error})") from error
    if program is None:
        raise ExportError("torch.onnx.export returned nothing; use torch 2.6 or newer")
    return _without_notes(program.model_proto)


def _without_notes(model: onnx.ModelProto) -> bytes:
    """Serialise without the exporter's notes: stack traces with the paths of the machine that traced."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    data: bytes = model.SerializeToString()
    return data


def export_backbone(model: HyperFlow, limits: Limits) -> bytes:
    """Trace images (B, 3, H, W), theta (P,) -> features (B, D).

    Args:
        model: In eval mode, fp32.
        limits: B is dynamic in 1..max_batch.

    Raises:
        ExportError: The backbone cannot be traced.
    """
    side = model.config.preprocessing.size_px
    inputs = (torch.randn(2, 3, side, side), model.backbone.theta_0.clone())
    batch = Dim("batch", min=1, max=max(limits.max_batch, 2))  # the traced example has 2, and a range needs two sizes
    return _export(model.backbone, inputs, ["images", "theta"], ["features"], ({0: batch}, None))


def export_adapt(model: HyperFlow, limits: Limits) -> bytes:
    """Trace features (S, D), labels_onehot (S, N), step_size () -> theta (P,), step_norms (K,).

    Args:
        model: In eval mode, fp32.
        limits: S is dynamic in 2..max_support, N in 2..max_ways.

    Raises:
        ExportError: The drift network cannot be traced.
    """
    onehot = torch.eye(3).repeat(2, 1)
    inputs = (torch.rand(6, model.backbone.feature_dim), onehot, torch.ones(()))
    # The traced example has 6 images of 3 classes, and must lie within the ranges.
    support = Dim("support", min=2, max=max(limits.max_support, 6))
    ways = Dim("ways", min=2, max=max(limits.max_ways, 3))
    names = ["features", "labels_onehot", "step_size"]
    dynamic = ({0: support}, {0: support, 1: ways}, None)
    return _export(_AdaptGraph(model), inputs, names, ["theta", "step_norms"], dynamic)
