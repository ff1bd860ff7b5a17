"""The onnxruntime backend on the tiny bundle: batches, baking, and the end of its life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import BackendError, open_bundle
from hyperflow_runtime.backends import onnxruntime as onnxruntime_backend
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.preprocessing import normalise

Array = NDArray[np.float32]
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((20, 3, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    return read_bundle(tiny_bundle)


@pytest.fixture
def backend(bundle: Bundle) -> Iterator[OnnxRuntimeBackend]:
    opened = OnnxRuntimeBackend(bundle, n_threads=1)
    yield opened
    opened.close()


@pytest.fixture
def theta(bundle: Bundle) -> Array:
    """Not theta_0."""
    return bundle.theta_0 + np.random.default_rng(1).normal(0, 0.1, bundle.theta_0.shape).astype(np.float32)


def test_both_graphs_give_what_the_training_network_gave_at_export(bundle: Bundle, backend: OnnxRuntimeBackend) -> None:
    recorded = bundle.reference()
    reference = {name: array.astype(np.float32) for name, array in recorded.items()}
    images = normalise(recorded["random.images_rgb"].astype(np.uint8), bundle.manifest.preprocessing)

    features_0 = backend.encode(images, bundle.theta_0)
    drift = backend.adapt(features_0, reference["random.labels_onehot"], bundle.manifest.adaptation.step_size)

    np.testing.assert_allclose(features_0, reference["random.features_0"], atol=1e-5)
    np.testing.assert_allclose(drift.theta, reference["random.theta"], atol=1e-4)
    np.testing.assert_allclose(drift.step_norms, reference["random.step_norms"], rtol=1e-4)
    np.testing.assert_allclose(backend.encode(images, drift.theta), reference["random.features"], atol=1e-4)


def test_every_theta_gives_other_features(bundle: Bundle, backend: OnnxRuntimeBackend, theta: Array) -> None:
    difference = backend.encode(IMAGES[:2], theta) - backend.encode(IMAGES[:2], bundle.theta_0)

    assert np.abs(difference).max() > 1e-3


@pytest.mark.parametrize("n_images", [1, 7, 8, 9, 16, 20])
def test_dynamic_and_baked_give_the_same_features(backend: OnnxRuntimeBackend, theta: Array, n_images: int) -> None:
    dynamic, baked = backend.encode(IMAGES[:n_images], theta), backend.baked(theta).encode(IMAGES[:n_images])

    assert dynamic.shape == baked.shape == (n_images, 16)
    assert dynamic.dtype == baked.dtype == np.float32
    np.testing.assert_allclose(baked, dynamic, atol=1e-5)


@pytest.mark.parametrize("bake", [False, True])
def test_twenty_images_at_once_are_each_of_them(backend: OnnxRuntimeBackend, theta: Array, bake: bool) -> None:
    baked = backend.baked(theta)

    def encode(images: Array) -> Array:
        return baked.encode(images) if bake else backend.encode(images, theta)

    each = np.concatenate([encode(IMAGES[index : index + 1]) for index in range(20)])

    np.testing.assert_allclose(encode(IMAGES), each, atol=1e-5)


@pytest.mark.parametrize("bake", [False, True])
def test_no_run_is_larger_than_the_bundle_allows(
    backend: OnnxRuntimeBackend, theta: Array, bake: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    original = onnxruntime_backend._run

    def counting(session: object, feeds: dict[str, Array]) -> list[Array]:
        sizes.append(len(feeds["images"]))
        return original(session, feeds)

    encoder = backend.baked(theta)
    monkeypatch.setattr(onnxruntime_backend, "_run", counting)

    assert len(encoder.encode(IMAGES) if bake else backend.encode(IMAGES, theta)) == 20
    assert sizes == [8, 8, 4]


def test_no_image_gives_no_feature(backend: OnnxRuntimeBackend, theta: Array) -> None:
    assert backend.encode(np.zeros((0, 3, 32, 32), np.float32), theta).shape == (0, 16)


def test_a_step_of_zero_leaves_theta_where_it_is(bundle: Bundle, backend: OnnxRuntimeBackend) -> None:
    features = backend.encode(IMAGES[:4], bundle.theta_0)

    drift = backend.adapt(features, np.eye(2, dtype=np.float32)[[0, 0, 1, 1]], 0.0)

    np.testing.assert_array_equal(drift.theta, bundle.theta_0)
    np.testing.assert_array_equal(drift.step_norms, [0, 0])


@pytest.mark.parametrize(("n_shots", "n_ways"), [(2, 2), (3, 2), (6, 6), (24, 6), (24, 2)])
def test_every_size_of_support_within_the_limits_is_taken(
    bundle: Bundle, backend: OnnxRuntimeBackend, n_shots: int, n_ways: int
) -> None:
    features = RNG.standard_normal((n_shots, 16)).astype(np.float32)
    drift = backend.adapt(features, np.eye(n_ways, dtype=np.float32)[np.arange(n_shots) % n_ways], 1.0)

    assert drift.theta.shape == bundle.theta_0.shape
    assert drift.step_norms.shape == (2,)
    assert (drift.step_norms > 0).all()
    assert np.abs(drift.theta - bundle.theta_0).max() > 1e-3


def test_the_order_of_the_support_does_not_matter(bundle: Bundle, backend: OnnxRuntimeBackend) -> None:
    features, labels = RNG.standard_normal((6, 16)).astype(np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    order = np.array([4, 2, 0, 1, 5, 3])

    straight, shuffled = backend.adapt(features, labels, 1.0), backend.adapt(features[order], labels[order], 1.0)

    np.testing.assert_allclose(shuffled.theta, straight.theta, atol=1e-5)


BAD_INPUTS: list[tuple[str, Callable[[OnnxRuntimeBackend, Array], object]]] = [
    ("size", lambda backend, theta: backend.encode(np.zeros((1, 3, 16, 16), np.float32), theta)),
    ("type", lambda backend, theta: backend.encode(np.zeros((1, 3, 32, 32)), theta)),  # type: ignore[arg-type]
    ("theta", lambda backend, theta: backend.encode(IMAGES[:1], theta[:-1])),
    ("features", lambda backend, theta: backend.adapt(theta[None, :15], np.ones((1, 1), np.float32), 1.0)),
    ("labels", lambda backend, theta: backend.adapt(theta[:32].reshape(2, 16), np.ones((3, 1), np.float32), 1.0)),
]


@pytest.mark.parametrize("use", [row[1] for row in BAD_INPUTS], ids=[row[0] for row in BAD_INPUTS])
def test_a_failing_run_names_the_shapes(
    backend: OnnxRuntimeBackend, theta: Array, use: Callable[[OnnxRuntimeBackend, Array], object]
) -> None:
    with pytest.raises(BackendError, match=r"onnxruntime failed on inputs {'\w+': \("):
        use(backend, theta)


def test_a_theta_of_another_length_cannot_be_baked(backend: OnnxRuntimeBackend, theta: Array) -> None:
    with pytest.raises(BackendError, match="refuses the baked backbone"):
        backend.baked(theta[:-1])


USES: list[tuple[str, Callable[[OnnxRuntimeBackend, Array], object]]] = [
    ("encode", lambda backend, theta: backend.encode(IMAGES[:1], theta)),
    ("adapt", lambda backend, theta: backend.adapt(theta[None, :16], np.ones((1, 1), np.float32), 1.0)),
    ("baked", lambda backend, theta: backend.baked(theta)),
]


@pytest.mark.parametrize("use", [row[1] for row in USES], ids=[row[0] for row in USES])
def test_a_closed_backend_says_so(
    backend: OnnxRuntimeBackend, theta: Array, use: Callable[[OnnxRuntimeBackend, Array], object]
) -> None:
    backend.close()
    backend.close()

    with pytest.raises(BackendError, match="the model is closed; open the bundle again"):
        use(backend, theta)


def test_a_baked_encoder_ends_with_its_backend(backend: OnnxRuntimeBackend, theta: Array) -> None:
    encoder = backend.baked(theta)
    backend.close()

    with pytest.raises(BackendError, match="the model is closed; open the bundle again"):
        encoder.encode(IMAGES[:1])


@pytest.mark.parametrize("bake", [False, True])
def test_a_session_of_a_closed_model_says_so(
    tiny_bundle: Path, pictures: dict[str, list[NDArray[np.uint8]]], bake: bool
) -> None:
    with open_bundle(tiny_bundle, n_threads=1) as model:
        session = model.session(bake=bake)
        for label in ("red", "green"):
            session.add(label, pictures[label][:2])
        session.adapt()
        session.wait_until_baked()
    model.close()

    for use in (
        lambda: session.predict(pictures["red"][0]),
        lambda: session.add("red", pictures["red"][0]),
        lambda: session.adapt(),
    ):
        with pytest.raises(BackendError, match="the model is closed; open the bundle again"):
            use()
    assert session.n_shots == {"red": 2, "green": 2}
