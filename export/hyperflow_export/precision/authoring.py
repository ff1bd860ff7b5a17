"""The graphs of a bundle in the precision that was asked for, and a report on what they came out as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hyperflow_export.precision.calibration_tasks import ADVISED_IMAGES, CalibrationTask
from hyperflow_export.precision.graph_view import GraphView, load_graph
from hyperflow_export.precision.mixed_half import to_half
from hyperflow_export.precision.quantising import activation_ranges, quantisable_nodes, quantised
from hyperflow_export.precision.sensitivity import LEAST_SIMILARITY, choose_int8
from hyperflow_export.precision.shares import precision_shares
from hyperflow_runtime.bundle.manifest import Arithmetic

__all__ = ["Authored", "adapt_in_half", "backbone_in_half", "backbone_in_int8"]

_BATCH = 8
"""Images a run: every intermediate result of a run is in memory at once."""

Feed = Mapping[str, NDArray[np.float32]]


class Authored(NamedTuple):
    """One graph in its final precision.

    Attributes:
        data: Serialised ONNX model.
        arithmetic: What it computes in.
    """

    data: bytes
    arithmetic: Arithmetic


def backbone_in_half(graph: bytes, tasks: Sequence[CalibrationTask]) -> Authored:
    """Write the backbone in fp16.

    Args:
        graph: `backbone.onnx` in float32.
        tasks: Images and thetas to watch the size of values on.

    Raises:
        ExportError: The graph that was made is not valid.
    """
    data, kept = to_half(graph, _backbone_feeds(tasks), parameter="theta")
    return Authored(data, Arithmetic("backbone.onnx", precision_shares(data), _sentences(kept)))


def adapt_in_half(graph: bytes, tasks: Sequence[CalibrationTask], step_size: float) -> Authored:
    """Write the drift in fp16; the Euler state stays in fp32.

    Args:
        graph: `adapt.onnx` in float32.
        tasks: Support sets to watch the size of values on.
        step_size: Largest step size that the bundle uses.

    Raises:
        ExportError: The graph that was made is not valid.
    """
    size = np.array(step_size, np.float32)
    feeds = [{"features": task.features, "labels_onehot": task.labels_onehot, "step_size": size} for task in tasks]
    data, kept = to_half(graph, feeds)
    return Authored(data, Arithmetic("adapt.onnx", precision_shares(data), _sentences(kept)))


def backbone_in_int8(graph: bytes, tasks: Sequence[CalibrationTask]) -> Authored:
    """Write the backbone with int8 products, and fp16 between them and where int8 would do harm.

    The rest is fp16 and not fp32, since an engine fuses it into the int8 kernels, and moves half of the bytes.

    Args:
        graph: `backbone.onnx` in float32.
        tasks: Images to calibrate on, with their thetas.

    Raises:
        ExportError: The graph that was made is not valid.
    """
    model = load_graph(graph)
    feeds = _backbone_feeds(tasks)
    ranges = activation_ranges(model, feeds)
    choice = choose_int8(model, ranges, quantisable_nodes(GraphView(model)), tasks)
    with_int8 = quantised(model, ranges, choice.nodes)
    data, kept = to_half(with_int8.SerializeToString(), feeds, parameter="theta")
    harmful = {name: f"with it in int8, features keep a cosine of {alone:.4f}" for name, alone in choice.kept.items()}
    n_images, n_thetas = sum(len(task.images) for task in tasks), max(len(task.thetas) for task in tasks)
    calibration = (
        f"{n_images} images in {len(tasks)} support sets, {n_thetas} thetas each; cosine of the centred features with "
        f"fp32 {choice.similarity:.4f}, wanted {LEAST_SIMILARITY:g}"
    )
    if n_images < ADVISED_IMAGES:
        calibration += f"; fewer images than the {ADVISED_IMAGES} that are advised"
    arithmetic = Arithmetic("backbone.onnx", precision_shares(data), _sentences(harmful | kept), calibration)
    return Authored(data, arithmetic)


def _backbone_feeds(tasks: Sequence[CalibrationTask]) -> list[Feed]:
    return [
        {"images": task.images[first : first + _BATCH], "theta": theta}
        for task in tasks
        for theta in task.thetas
        for first in range(0, len(task.images), _BATCH)
    ]


def _sentences(kept: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}: {reason}" for name, reason in kept.items())
