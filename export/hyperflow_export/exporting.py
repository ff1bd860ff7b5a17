"""The whole export: trace, assemble, write, verify; only a bundle that passes is put in place."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec
import numpy as np

from hyperflow.checkpoint import load_checkpoint
from hyperflow.model import HyperFlow
from hyperflow_export.backbone_file import read_backbone_file
from hyperflow_export.bundle_writing import file_entries, npy_bytes, npz_bytes, staged_output, write_files
from hyperflow_export.errors import ParityError
from hyperflow_export.graphs import export_adapt, export_backbone
from hyperflow_export.reference import extra_shape_arrays, reference_arrays, reference_tasks
from hyperflow_export.verification import verify_bundle
from hyperflow_runtime import __version__
from hyperflow_runtime.bundle.manifest import (
    SCHEMA,
    Adaptation,
    Head,
    Limits,
    Manifest,
    ParityCheck,
    Preprocessing,
    ThetaSlot,
)
from hyperflow_runtime.bundle.reader import read_bundle

__all__ = ["DEFAULT_LIMITS", "ExportOptions", "ExportReport", "Stage", "export_bundle"]

DEFAULT_LIMITS = Limits(max_batch=64, max_support=512, max_ways=64)


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    Attributes:
        checkpoint: Folder of a checkpoint.
        output: Folder to write, usually `NAME.hyperflow`.
        images: Real images in classes to compare on, or None.
        limits: Largest batch, support and ways.
        seed: Seed of the random comparison.
        force: Replace an existing bundle.
        backbone: File with the backbone's public weights, `.onnx` or `.npz`, for a checkpoint that holds the drift
            network alone.
    """

    checkpoint: Path
    output: Path
    images: Path | None = None
    limits: Limits = DEFAULT_LIMITS
    seed: int = 0
    force: bool = False
    backbone: Path | None = None


@dataclass(frozen=True)
class Stage:
    """One finished stage: what, how long, and how many bytes it made (0 for none)."""

    name: str
    seconds: float
    size_bytes: int


@dataclass(frozen=True)
class ExportReport:
    """What was done. `checks` holds failures too when it comes inside a `ParityError`'s message."""

    output: Path
    stages: tuple[Stage, ...]
    checks: tuple[ParityCheck, ...]


class _Stages:
    def __init__(self, announce: Callable[[Stage], None]) -> None:
        self.done: list[Stage] = []
        self._announce = announce

    @contextmanager
    def stage(self, name: str) -> Iterator[list[int]]:
        """Time a stage; what is appended to the yielded list is its size in bytes."""
        sizes: list[int] = []
        start = time.perf_counter()
        yield sizes
        self.done.append(Stage(name, time.perf_counter() - start, sum(sizes)))
        self._announce(self.done[-1])


def _versions() -> dict[str, str]:
    packages = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow")
    return {"hyperflow": __version__, "python": platform.python_version(), **{name: version(name) for name in packages}}


def _preprocessing(model: HyperFlow) -> Preprocessing:
    rule = model.config.preprocessing
    return Preprocessing(
        rule.size_px, rule.resize, rule.crop_fraction, "bilinear_antialias", "rgb", rule.mean, rule.std
    )


def _licence(model: HyperFlow) -> str:
    """Licence of all weights in the bundle; a backbone that was brought has its own."""
    source = model.config.backbone_source
    if source is None:
        return model.config.licence
    return (
        f"{model.config.licence} (drift network); {source.licence} "
        f"(backbone, its weights unchanged from {source.file_name}: {source.where})"
    )


def _manifest(model: HyperFlow, limits: Limits, files: dict[str, bytes]) -> Manifest:
    config, device = model.config, model.config.device
    return Manifest(
        schema=SCHEMA,
        name=config.name,
        creator=_versions(),
        preprocessing=_preprocessing(model),
        feature_dim=model.backbone.feature_dim,
        theta=tuple(ThetaSlot(slot.name, slot.offset, slot.size) for slot in model.backbone.layout.slots),
        limits=limits,
        adaptation=Adaptation(config.n_steps, device.step_size, device.candidates, device.penalties),
        head=Head(device.logit_scale, device.unknown_margin, device.unknown_floor),
        precision="fp32",
        parity=(),
        licence=_licence(model),
        files=file_entries(files),
    )


def _model_card(checkpoint: Path) -> bytes:
    card = checkpoint / "MODEL_CARD.md"
    return card.read_bytes() if card.is_file() else b"# Model card\n\nThe checkpoint had none.\n"


def _load(options: ExportOptions) -> HyperFlow:
    if options.backbone is None:
        return load_checkpoint(options.checkpoint)
    arrays = read_backbone_file(options.backbone)
    return load_checkpoint(options.checkpoint, backbone=arrays, origin=str(options.backbone))


def export_bundle(options: ExportOptions, *, announce: Callable[[Stage], None] = lambda stage: None) -> ExportReport:
    """Export a checkpoint to a bundle.

    Args:
        options: What, where, and how large.
        announce: Called after each stage.

    Raises:
        hyperflow.errors.HyperflowError: The checkpoint or the images cannot be read.
        OutputExistsError: The output exists and was not to be replaced.
        ExportError: The backbone's file cannot be read, a graph cannot be traced, or the bundle cannot be written.
        ParityError: The graphs disagree with the training network; nothing was put in place.
    """
    stages = _Stages(announce)
    with staged_output(options.output, force=options.force) as staging:
        with stages.stage("load checkpoint"):
            model = _load(options)
        with stages.stage("trace backbone.onnx") as sizes:
            backbone = export_backbone(model, options.limits)
            sizes.append(len(backbone))
        with stages.stage("trace adapt.onnx") as sizes:
            adapt = export_adapt(model, options.limits)
            sizes.append(len(adapt))
        with stages.stage("reference data") as sizes:
            reference = _reference(model, options)
            sizes.append(len(reference))
        files = {
            "backbone.onnx": backbone,
            "adapt.onnx": adapt,
            "theta0.npy": npy_bytes(model.backbone.theta_0.numpy().astype(np.float32)),
            "reference.npz": reference,
            "MODEL_CARD.md": _model_card(options.checkpoint),
        }
        manifest = _manifest(model, options.limits, files)
        with stages.stage("verify parity"):
            write_files(staging, files, manifest)
            checks = tuple(verify_bundle(read_bundle(staging)))
        if failed := [check for check in checks if not check.passed]:
            raise ParityError(
                f"{len(failed)} of {len(checks)} comparisons with torch failed, first {failed[0].name!r} "
                f"(max abs {failed[0].max_abs:.2g}, cosine {failed[0].cosine:.6f}); nothing was written"
            )
        write_files(staging, files, msgspec.structs.replace(manifest, parity=checks))
    return ExportReport(options.output, tuple(stages.done), checks)


def _reference(model: HyperFlow, options: ExportOptions) -> bytes:
    rule = _preprocessing(model)
    arrays = extra_shape_arrays(model, options.seed)
    for task in reference_tasks(rule, options.images, options.seed):
        arrays |= reference_arrays(model, rule, task)
    return npz_bytes(arrays)
