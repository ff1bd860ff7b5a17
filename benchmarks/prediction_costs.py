"""Cost of `Session.predict` beside a bare call of the same graph with an image that is already preprocessed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
from bare_session import open_bare_session
from numpy.typing import NDArray
from PIL import Image
from timing import time_in_turns

from hyperflow_export.sample_images import random_images
from hyperflow_runtime import open_bundle
from hyperflow_runtime.backends.onnx_constant import with_constant_input
from hyperflow_runtime.bundle.reader import read_bundle
from hyperflow_runtime.preprocessing import crop_and_resize, normalise
from hyperflow_runtime.session import Session

__all__ = ["PredictionCost", "measure_predictions"]

_N_WAY, _N_SHOT = 5, 2


class PredictionCost(msgspec.Struct, frozen=True):
    """Times of one prediction from a frame of one size; medians.

    Attributes:
        width_px: Of the frame.
        height_px: Of the frame.
        preprocessing_ms: From the frame to the graph's input.
        bare_ms: onnxruntime alone on the baked graph, batch 1.
        predict_ms: `Session.predict` with the baked graph.
        predict_p95_ms: 95th percentile of the same.
        predict_over_bare: Ratio of the two.
        predict_without_preprocessing_over_bare: The same less `preprocessing_ms`: what the session itself adds.
        predictions_per_second: With the baked graph, one frame after another.
        bare_unbaked_ms: onnxruntime alone on the graph with theta as an input.
        predict_unbaked_ms: `Session.predict` before baking is done.
        predict_unbaked_over_bare: Ratio of the two.
    """

    width_px: int
    height_px: int
    preprocessing_ms: float
    bare_ms: float
    predict_ms: float
    predict_p95_ms: float
    predict_over_bare: float
    predict_without_preprocessing_over_bare: float
    predictions_per_second: float
    bare_unbaked_ms: float
    predict_unbaked_ms: float
    predict_unbaked_over_bare: float


def _adapt(session: Session, images: NDArray[np.uint8]) -> None:
    for c in range(_N_WAY):
        session.add(f"class {c}", list(images[c::_N_WAY]))
    session.adapt()
    session.wait_until_baked()


def _frame(size_px: tuple[int, int], images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(images[0]).resize(size_px, Image.Resampling.BILINEAR))


def measure_predictions(
    path: Path, frame_size_px: tuple[int, int], *, n_threads: int, repetitions: int, seed: int
) -> PredictionCost:
    """Time `predict`, baked and not, a bare call of either graph, and preprocessing, in turns.

    Args:
        path: Folder of the bundle.
        frame_size_px: Width and height.
        n_threads: Threads a run may use.
        repetitions: Rounds that count.
        seed: Of the images.
    """
    bundle = read_bundle(path)
    rule, theta = bundle.manifest.preprocessing, bundle.theta_0
    images = random_images(_N_WAY * _N_SHOT, rule.size_px, np.random.default_rng(seed))
    frame = _frame(frame_size_px, images)

    def preprocess() -> NDArray[np.float32]:
        return normalise(crop_and_resize(frame, rule)[None], rule)

    ready = preprocess()
    bare = open_bare_session(with_constant_input(bundle.backbone_onnx, "theta", theta), n_threads)
    bare_unbaked = open_bare_session(bundle.backbone_onnx, n_threads)
    with open_bundle(path, n_threads=n_threads) as model:
        baked, unbaked = model.session(bake=True), model.session(bake=False)
        _adapt(baked, images)
        _adapt(unbaked, images)
        times = time_in_turns(
            {
                "preprocess": preprocess,
                "bare": lambda: bare.run(None, {"images": ready}),
                "predict": lambda: baked.predict(frame),
                "bare unbaked": lambda: bare_unbaked.run(None, {"images": ready, "theta": theta}),
                "predict unbaked": lambda: unbaked.predict(frame),
            },
            repetitions,
            warm_up=min(5, repetitions),
        )
    return PredictionCost(
        width_px=frame_size_px[0],
        height_px=frame_size_px[1],
        preprocessing_ms=times.median_ms("preprocess"),
        bare_ms=times.median_ms("bare"),
        predict_ms=times.median_ms("predict"),
        predict_p95_ms=times.p95_ms("predict"),
        predict_over_bare=times.ratio("predict", "bare"),
        predict_without_preprocessing_over_bare=times.ratio("predict", "bare", minus="preprocess"),
        predictions_per_second=1e3 / times.median_ms("predict"),
        bare_unbaked_ms=times.median_ms("bare unbaked"),
        predict_unbaked_ms=times.median_ms("predict unbaked"),
        predict_unbaked_over_bare=times.ratio("predict unbaked", "bare unbaked"),
    )
