"""What the backend computes is what onnxruntime computes, in every shape that the bundle allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from stand_in import StandIn

from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.backends.tensorrt.backend import TensorRTBackend
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.errors import BackendError

Array = NDArray[np.float32]
Support = Callable[[int, int], tuple[Array, Array]]


def test_the_name_tells_library_version_and_device(backend: TensorRTBackend, stand_in: StandIn) -> None:
    assert backend.name == f"TensorRT {stand_in.tensorrt.__version__} ({stand_in.device.name})"


def test_any_number_of_images_is_encoded_as_onnxruntime_does(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, images: Array, theta: Array
) -> None:
    for n_images in (1, 3, 4, 5, 8, 9, 20, 1):
        features = backend.encode(images[:n_images], theta)

        assert features.shape == (n_images, 16)
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, processor.encode(images[:n_images], theta), atol=1e-5)


def test_no_image_gives_no_feature(backend: TensorRTBackend, images: Array, theta: Array) -> None:
    assert backend.encode(images[:0], theta).shape == (0, 16)
    assert backend.baked(theta).encode(images[:0]).shape == (0, 16)


def test_every_support_within_the_limits_is_adapted_to_as_onnxruntime_does(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, support: Support
) -> None:
    for n_images, n_way in ((2, 2), (3, 2), (24, 5), (6, 6), (24, 2), (24, 6), (2, 2)):
        features, onehot = support(n_images, n_way)
        expected, actual = (one.adapt(features, onehot, 0.7) for one in (processor, backend))

        np.testing.assert_allclose(actual.theta, expected.theta, atol=1e-5)
        np.testing.assert_allclose(actual.step_norms, expected.step_norms, rtol=1e-5)
        assert (actual.theta.shape, actual.step_norms.shape) == ((144,), (2,))


def test_a_step_of_zero_leaves_theta_where_it_is(backend: TensorRTBackend, bundle: Bundle, support: Support) -> None:
    drift = backend.adapt(*support(6, 3), 0.0)

    np.testing.assert_array_equal(drift.theta, bundle.theta_0)
    np.testing.assert_array_equal(drift.step_norms, [0, 0])


def test_a_result_stays_as_it_is_when_the_next_one_comes(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, images: Array, theta: Array
) -> None:
    first = backend.encode(images[:1], theta)
    backend.encode(images[1:2], theta)

    np.testing.assert_allclose(first, processor.encode(images[:1], theta), atol=1e-5)


def test_arrays_of_any_layout_are_read_right(
    backend: TensorRTBackend, processor: OnnxRuntimeBackend, images: Array, theta: Array
) -> None:
    turned, spread = np.asfortranarray(images[:3]), np.repeat(theta, 2)[::2]
    expected = processor.encode(images[:3], theta)

    np.testing.assert_allclose(backend.encode(turned, spread), expected, atol=1e-5)
    np.testing.assert_allclose(backend.baked(spread).encode(images[:6:2][:3]), processor.encode(images[:6:2], theta))


def test_a_support_beyond_the_limits_is_refused_with_both(backend: TensorRTBackend, support: Support) -> None:
    for n_images, n_way in ((25, 5), (20, 7), (1, 2), (2, 1), (0, 2)):
        with pytest.raises(BackendError) as raised:
            backend.adapt(*support(n_images, n_way), 1.0)

        said = str(raised.value)
        assert f"adapt.onnx takes no inputs of the shapes {{'features': ({n_images}, 16)" in said
        assert f"'labels_onehot': ({n_images}, {n_way})}}" in said
        assert "'labels_onehot': ((2, 2), (24, 6))" in said
        assert "a larger --max-batch, --max-support or --max-ways" in said


def test_images_of_another_shape_are_refused(backend: TensorRTBackend, theta: Array) -> None:
    for shape in ((1, 3, 64, 64), (1, 1, 32, 32), (1, 3, 32), (3, 32, 32)):
        for encode in (backend.baked(theta).encode, lambda images: backend.encode(images, theta)):
            with pytest.raises(BackendError, match=r"backbone\.onnx takes no inputs of the shapes \{'images': \("):
                encode(np.zeros(shape, np.float32))


def test_a_theta_of_another_length_is_refused(backend: TensorRTBackend, images: Array, theta: Array) -> None:
    for size in (0, 1, 143, 145, 288):
        wrong = np.resize(theta, size)
        for use in (backend.baked, lambda values: backend.encode(images[:1], values)):
            with pytest.raises(BackendError, match=rf"takes no inputs of the shapes .*'theta': \({size},\)"):
                use(wrong)


def test_features_and_labels_that_do_not_belong_together_are_refused(
    backend: TensorRTBackend, support: Support
) -> None:
    with pytest.raises(BackendError, match="6 features, but labels of 5"):
        backend.adapt(support(6, 3)[0], support(5, 3)[1], 1.0)
