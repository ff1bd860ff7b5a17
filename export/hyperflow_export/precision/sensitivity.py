"""Which products of a backbone can be int8: found out by quantising, never by the name of a model.

The measure is the cosine between features of the int8 and of the fp32 graph on calibration images, with the mean
feature taken off first: all features of a network share a large part that tells no image from another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import TensorsData

from hyperflow_export.precision.calibration_tasks import CalibrationTask
from hyperflow_export.precision.quantising import quantised

__all__ = ["LEAST_SIMILARITY", "Int8Choice", "choose_int8"]

LEAST_SIMILARITY = 0.99
"""Products leave int8, the most harmful first, until the features are as similar as this."""

_PROBES, _PROBE_IMAGES = 8, 10
"""Support sets to measure on, from the start of the list, and images of each: the classes come in turns."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Int8Choice:
    """What to quantise.

    Attributes:
        nodes: Names of the products that are int8.
        kept: The others, each with the similarity when it alone is int8.
        similarity: Mean cosine of the centred features when all of `nodes` are int8.
    """

    nodes: tuple[str, ...]
    kept: dict[str, float]
    similarity: float


def choose_int8(
    model: onnx.ModelProto, ranges: TensorsData, nodes: Sequence[str], tasks: Sequence[CalibrationTask]
) -> Int8Choice:
    """Quantise as many products as the features allow.

    Args:
        model: From `load_graph`, in float32.
        ranges: Of its activations.
        nodes: Products that can be quantised.
        tasks: Of the calibration images; each counts at theta_0 and at its last theta.
    """
    probe = _Probe(model, tasks[:_PROBES])

    def similarity(chosen: Sequence[str]) -> float:
        return probe.similarity(quantised(model, ranges, chosen))

    reached = similarity(nodes)
    if reached >= LEAST_SIMILARITY:
        return Int8Choice(tuple(nodes), {}, reached)
    alone = {name: similarity([name]) for name in nodes}
    left, kept = list(nodes), dict[str, float]()
    for name in sorted(alone, key=alone.__getitem__):
        left.remove(name)
        kept[name] = alone[name]
        reached = similarity(left)
        if reached >= LEAST_SIMILARITY:
            break
    return Int8Choice(tuple(left), kept, reached)


class _Probe:
    """Compares graphs with the float32 one on some images, each under two thetas."""

    def __init__(self, model: onnx.ModelProto, tasks: Sequence[CalibrationTask]) -> None:
        self._feeds = [
            {"images": task.images[:_PROBE_IMAGES], "theta": theta} for task in tasks for theta in _ends(task.thetas)
        ]
        self._expected = self._features(model)

    def _features(self, model: onnx.ModelProto) -> list[Array]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return [session.run(["features"], feed)[0] for feed in self._feeds]

    def similarity(self, model: onnx.ModelProto) -> float:
        pairs = zip(self._expected, self._features(model), strict=True)
        return float(np.mean([_centred_cosine(expected, found) for expected, found in pairs]))


def _ends(thetas: tuple[Array, ...]) -> list[Array]:
    return [thetas[0]] if len(thetas) == 1 else [thetas[0], thetas[-1]]


def _centred_cosine(expected: Array, found: Array) -> float:
    """Mean over the rows; features that are not finite count as unlike."""
    if not np.isfinite(found).all():
        return -1.0
    mean = expected.mean(axis=0)
    left, right = (expected - mean).astype(np.float64), (found - mean).astype(np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())
