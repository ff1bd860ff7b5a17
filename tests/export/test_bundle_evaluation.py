"""A bundle as a subject of an evaluation says what a session says, and runs each graph once on each input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hyperflow.errors import DataError
from hyperflow.evaluation.methods import METHODS, Task
from hyperflow_export.evaluation import BundleSubject
from hyperflow_export.remembering_backend import RememberingBackend
from hyperflow_runtime import open_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.protocol import Array, DriftResult
from hyperflow_runtime.bundle.reader import read_bundle

N_WAY, N_SHOT = 3, 3


@pytest.fixture
def images() -> list[Image.Image]:
    """Stripes of three directions under noise, of many sizes: six of each."""
    rng = np.random.default_rng(0)
    made = []
    for c in range(N_WAY):
        for _ in range(6):
            height, width = rng.integers(40, 90, size=2)
            y, x = np.mgrid[:height, :width] / 4
            wave = np.sin(x * np.cos(c) + y * np.sin(c))[:, :, None] * 60
            made.append(Image.fromarray((120 + wave + rng.normal(0, 40, (height, width, 3))).clip(0, 255).astype("u1")))
    return made


@pytest.fixture(params=[1.0, 0.8], ids=["whole", "cropped"])
def bundle(request: pytest.FixtureRequest, bundle_copy: Path) -> Path:
    """The tiny bundle with large steps, and a crop before the resize or none."""
    manifest = json.loads((bundle_copy / "manifest.json").read_text())
    manifest["adaptation"] |= {"step_size": 20.0, "candidates": [0.0, 5.0, 20.0], "penalties": [0.0, 0.0, 0.0]}
    manifest["preprocessing"]["crop_fraction"] = request.param
    (bundle_copy / "manifest.json").write_text(json.dumps(manifest))
    return bundle_copy


def _rows(first: int, last: int) -> list[int]:
    return [6 * c + index for c in range(N_WAY) for index in range(first, last)]


def _task(subject: BundleSubject, images: list[Image.Image], *, encoded: bool) -> Task:
    support, queries = ([subject.frame(images[row]) for row in rows] for rows in (_rows(0, 3), _rows(3, 6)))
    unknown = [subject.frame(image.transpose(Image.Transpose.ROTATE_90)) for image in images[:4]]
    return Task(
        tuple(support),
        np.arange(N_WAY).repeat(N_SHOT),
        tuple(queries),
        N_WAY,
        unknown=tuple(unknown),
        query_features=subject.encode(queries) if encoded else None,
        unknown_features=subject.encode(unknown) if encoded else None,
    )


@pytest.mark.parametrize("encoded", [False, True])
def test_every_answer_is_that_of_a_session_that_sees_the_images_themselves(
    bundle: Path, images: list[Image.Image], *, encoded: bool
) -> None:
    subject = BundleSubject(bundle)

    answers = subject.answer(_task(subject, images, encoded=encoded))

    with open_bundle(bundle) as model:
        session = model.session(colour_order="rgb", bake=False)
        for c in range(N_WAY):
            session.add(str(c), [np.asarray(images[6 * c + index]) for index in range(N_SHOT)])
        for method in METHODS:
            step_size = 0.0 if method == "direct" else None
            report = session.adapt(step_size=step_size, guard=method == "guarded")
            predictions = session.predict_batch([np.asarray(images[row]) for row in _rows(3, 6)])
            answer = answers[method]
            assert answer.step_size == report.step_size
            assert answer.unknown_threshold == pytest.approx(report.unknown_threshold, abs=1e-6)
            assert answer.labels.tolist() == [int(prediction.best) for prediction in predictions]
            for row, prediction in enumerate(predictions):
                assert answer.scores.probabilities[row].tolist() == pytest.approx(
                    list(prediction.scores.values()), abs=1e-5
                )
                assert answer.scores.cosines[row] == pytest.approx(prediction.cosine, abs=1e-6)
            rotated = [np.asarray(image.transpose(Image.Transpose.ROTATE_90)) for image in images[:4]]
            cosines = [prediction.cosine for prediction in session.predict_batch(rotated)]
            assert answer.unknown.cosines.tolist() == pytest.approx(cosines, abs=1e-6)


class _Counting(OnnxRuntimeBackend):
    """Counts the runs of the graphs."""

    n_adapted = n_encoded = 0

    def encode(self, images: Array, theta: Array) -> Array:
        self.n_encoded += 1
        return super().encode(images, theta)

    def adapt(self, features: Array, labels_onehot: Array, step_size: float) -> DriftResult:
        self.n_adapted += 1
        return super().adapt(features, labels_onehot, step_size)


def test_the_same_input_is_run_once_and_its_time_is_still_counted(tiny_bundle: Path) -> None:
    opened = read_bundle(tiny_bundle)
    below, side = _Counting(opened), opened.manifest.preprocessing.size_px
    backend = RememberingBackend(below)
    images = np.random.default_rng(0).random((4, 3, side, side), dtype=np.float32)
    onehot = np.eye(2, dtype=np.float32).repeat(2, axis=0)

    features = backend.encode(images, opened.theta_0)
    again = backend.encode(images.copy(), opened.theta_0.copy())
    moved = [backend.adapt(features, onehot, step_size) for step_size in (1.0, 2.0, 1.0)]
    other = backend.encode(images[::-1], opened.theta_0)

    assert (below.n_encoded, below.n_adapted) == (2, 2)
    np.testing.assert_array_equal(again, features)
    np.testing.assert_array_equal(moved[0].theta, moved[2].theta)
    np.testing.assert_allclose(other[::-1], features, atol=1e-5)
    assert backend.saved_seconds > 0


def test_features_that_are_known_are_not_computed(tiny_bundle: Path) -> None:
    opened = read_bundle(tiny_bundle)
    below, side = _Counting(opened), opened.manifest.preprocessing.size_px
    backend = RememberingBackend(below)
    images, features = np.zeros((2, 3, side, side), np.float32), np.ones((2, 5), np.float32)

    backend.know(images, opened.theta_0, features)

    assert backend.encode(images, opened.theta_0) is features
    assert below.n_encoded == 0
    assert backend.saved_seconds == 0.0


def test_an_image_that_is_too_small_is_refused(tiny_bundle: Path) -> None:
    with pytest.raises(DataError, match="sides must be"):
        BundleSubject(tiny_bundle).frame(Image.new("RGB", (2, 2)))
