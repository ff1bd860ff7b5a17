"""The whole export: trace, set the precision, assemble, write, verify; only a bundle that passes is put in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from hyperflow.checkpoint import load_checkpoint
from hyperflow.model import HyperFlow
from hyperflow_export.backbone_file import read_backbone_file
from hyperflow_export.bundle_writing import npy_bytes, npz_bytes, staged_output, write_files
from hyperflow_export.describing import manifest_of, preprocessing_of
from hyperflow_export.errors import ExportError, ParityError
from hyperflow_export.graphs import export_adapt, export_backbone
from hyperflow_export.precision.authoring import Authored, adapt_in_half, backbone_in_half, backbone_in_int8
from hyperflow_export.precision.calibration_tasks import calibration_tasks, task_of_images
from hyperflow_export.precision.rounding import with_rounding
from hyperflow_export.reference import ReferenceTask, extra_shape_arrays, reference_arrays, reference_tasks
from hyperflow_export.stages import Stage, Stages
from hyperflow_export.verification import verify_bundle
from hyperflow_runtime.bundle.manifest import Arithmetic, Limits, ParityCheck, Precision
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.preprocessing import normalise

__all__ = ["DEFAULT_LIMITS", "ExportOptions", "ExportReport", "Stage", "export_bundle"]

DEFAULT_LIMITS = Limits(max_batch=64, max_support=512, max_ways=64)


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    Attributes:
        checkpoint: Folder of a checkpoint.
        output: Folder to write, usually `NAME.hyperflow`.
        images: Real images in classes to compare on; by default those to calibrate on, if there are any.
        limits: Largest batch, support and ways.
        seed: Seed of the random comparison and of the support sets to calibrate on.
        force: Replace an existing bundle.
        backbone: File with the backbone's public weights, `.onnx` or `.npz`, for a checkpoint that holds the drift
            network alone.
        precision: Of weights and products in the graphs.
        calibration_images: Sets or classes to calibrate int8 on; needed for int8, and for nothing else.
        calibration_count: Most images to calibrate on.
    """

    checkpoint: Path
    output: Path
    images: Path | None = None
    limits: Limits = DEFAULT_LIMITS
    seed: int = 0
    force: bool = False
    backbone: Path | None = None
    precision: Precision = "fp32"
    calibration_images: Path | None = None
    calibration_count: int = 256


@dataclass(frozen=True)
class ExportReport:
    """What was done.

    Attributes:
        output: The bundle.
        stages: In their order.
        checks: Comparisons with torch, all passed.
        precision: Of the bundle.
        arithmetic: What each graph computes in; empty for fp32.
    """

    output: Path
    stages: tuple[Stage, ...]
    checks: tuple[ParityCheck, ...]
    precision: Precision
    arithmetic: tuple[Arithmetic, ...]


def export_bundle(options: ExportOptions, *, announce: Callable[[Stage], None] = lambda stage: None) -> ExportReport:
    """Export a checkpoint to a bundle.

    Args:
        options: What, where, and how large.
        announce: Called after each stage.

    Raises:
        hyperflow.errors.HyperflowError: The checkpoint or the images cannot be read.
        OutputExistsError: The output exists and was not to be replaced.
        ExportError: The backbone's file cannot be read, a graph cannot be traced, there are no or too few images to
            calibrate on, or the bundle cannot be written.
        ParityError: The graphs disagree with the training network; nothing was put in place.
    """
    _check_calibration(options)
    stages = Stages(announce)
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
            tasks = reference_tasks(preprocessing_of(model), options.images or options.calibration_images, options.seed)
            reference = _reference(model, tasks, options.seed)
            sizes.append(len(reference))
        arithmetic: tuple[Arithmetic, ...] = ()
        if options.precision != "fp32":
            with stages.stage(f"write in {options.precision}") as sizes:
                encoder, drift = _in_precision(model, backbone, adapt, tasks, options)
                backbone, adapt = encoder.data, drift.data
                arithmetic = (encoder.arithmetic, drift.arithmetic)
                sizes += [len(backbone), len(adapt)]
        files = {
            "backbone.onnx": backbone,
            "adapt.onnx": adapt,
            "theta0.npy": npy_bytes(model.backbone.theta_0.numpy().astype(np.float32)),
            "reference.npz": reference,
            "MODEL_CARD.md": _model_card(options.checkpoint),
        }
        manifest = manifest_of(model, options.limits, files, precision=options.precision, arithmetic=arithmetic)
        with stages.stage("verify parity"):
            write_files(staging, files, manifest)
            checks = _verified(read_bundle(staging))
        _check_parity(checks, options.precision)
        write_files(staging, files, msgspec.structs.replace(manifest, parity=checks))
    return ExportReport(options.output, tuple(stages.done), checks, options.precision, arithmetic)


def _check_calibration(options: ExportOptions) -> None:
    wants = options.precision == "int8"
    if wants and options.calibration_images is None:
        raise ExportError(
            "int8 needs images to find the ranges of activations on; add --calibration-images DIR, with class folders "
            "or zips of images like those that the device will see, or choose --precision fp16, which needs none"
        )
    if not wants and options.calibration_images is not None:
        raise ExportError(
            f"--calibration-images is for int8, but the precision is {options.precision}; add --precision int8, or "
            "name the images with --images to compare on them"
        )


def _verified(bundle: Bundle) -> tuple[ParityCheck, ...]:
    """Compare as this processor computes, and for fp16 also with every value rounded, as a GPU computes."""
    checks = verify_bundle(bundle)
    if bundle.manifest.precision != "fp32":
        rounded = replace(
            bundle, backbone_onnx=with_rounding(bundle.backbone_onnx), adapt_onnx=with_rounding(bundle.adapt_onnx)
        )
        checks += [msgspec.structs.replace(check, name=f"rounded {check.name}") for check in verify_bundle(rounded)]
    return tuple(checks)


def _check_parity(checks: Sequence[ParityCheck], precision: Precision) -> None:
    if failed := [check for check in checks if not check.passed]:
        hint = "" if precision == "fp32" else f"; {precision} is too coarse for this model, choose a higher precision"
        raise ParityError(
            f"{len(failed)} of {len(checks)} comparisons with torch failed, first {failed[0].name!r} "
            f"(max abs {failed[0].max_abs:.2g}, cosine {failed[0].cosine:.6f}){hint}; nothing was written"
        )


def _load(options: ExportOptions) -> HyperFlow:
    if options.backbone is None:
        return load_checkpoint(options.checkpoint)
    arrays = read_backbone_file(options.backbone)
    return load_checkpoint(options.checkpoint, backbone=arrays, origin=str(options.backbone))


def _model_card(checkpoint: Path) -> bytes:
    card = checkpoint / "MODEL_CARD.md"
    return card.read_bytes() if card.is_file() else b"# Model card\n\nThe checkpoint had none.\n"


def _reference(model: HyperFlow, tasks: Sequence[ReferenceTask], seed: int) -> bytes:
    arrays = extra_shape_arrays(model, seed)
    for task in tasks:
        arrays |= reference_arrays(model, preprocessing_of(model), task)
    return npz_bytes(arrays)


def _in_precision(
    model: HyperFlow, backbone: bytes, adapt: bytes, tasks: Sequence[ReferenceTask], options: ExportOptions
) -> tuple[Authored, Authored]:
    """Both graphs in fp16, or the backbone in int8; the reference tasks show how large values become."""
    rule = preprocessing_of(model)
    shown = [task_of_images(model, normalise(task.images_rgb, rule), task.labels_onehot) for task in tasks]
    largest = max(*model.config.device.candidates, model.config.device.step_size)
    drift = adapt_in_half(adapt, shown, largest)
    if options.calibration_images is None:
        return backbone_in_half(backbone, shown), drift
    drawn = calibration_tasks(model, rule, options.calibration_images, options.calibration_count, options.seed)
    return backbone_in_int8(backbone, drawn), drift
