"""The manifest of a bundle, filled in from a model."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version

from hyperflow.model import HyperFlow
from hyperflow_export.bundle_writing import file_entries
from hyperflow_runtime import __version__
from hyperflow_runtime.bundle.manifest import (
    SCHEMA,
    Adaptation,
    Arithmetic,
    Head,
    Limits,
    Manifest,
    Precision,
    Preprocessing,
    ThetaSlot,
)

__all__ = ["manifest_of", "preprocessing_of"]


def preprocessing_of(model: HyperFlow) -> Preprocessing:
    """What happens to a frame before the model's backbone."""
    rule = model.config.preprocessing
    return Preprocessing(
        rule.size_px, rule.resize, rule.crop_fraction, "bilinear_antialias", "rgb", rule.mean, rule.std
    )


def manifest_of(
    model: HyperFlow, limits: Limits, files: Mapping[str, bytes], *, precision: Precision = "fp32",
    arithmetic: tuple[Arithmetic, ...] = (),
) -> Manifest:  # fmt: skip
    """Describe a bundle whose parity is not measured yet.

    Args:
        model: What is in it.
        limits: What its graphs were exported for.
        files: Its other files, by name.
        precision: Of its graphs.
        arithmetic: What each graph computes in; empty for fp32.
    """
    config, device = model.config, model.config.device
    return Manifest(
        schema=SCHEMA,
        name=config.name if precision == "fp32" else f"{config.name}-{precision}",
        creator=_versions(),
        preprocessing=preprocessing_of(model),
        feature_dim=model.backbone.feature_dim,
        theta=tuple(ThetaSlot(slot.name, slot.offset, slot.size) for slot in model.backbone.layout.slots),
        limits=limits,
        adaptation=Adaptation(config.n_steps, device.step_size, device.candidates, device.penalties),
        head=Head(device.logit_scale, device.unknown_margin, device.unknown_floor),
        precision=precision,
        parity=(),
        licence=_licence(model),
        files=file_entries(files),
        arithmetic=arithmetic,
    )


def _versions() -> dict[str, str]:
    packages = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow")
    return {"hyperflow": __version__, "python": platform.python_version(), **{name: version(name) for name in packages}}


def _licence(model: HyperFlow) -> str:
    """Licence of all weights in the bundle; a backbone that was brought has its own."""
    source = model.config.backbone_source
    if source is None:
        return model.config.licence
    return (
        f"{model.config.licence} (drift network); {source.licence} "
        f"(backbone, its weights unchanged from {source.file_name}: {source.where})"
    )
