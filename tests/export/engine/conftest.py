"""The tiny bundle in three precisions, and TensorRT for RTX, which builds engines without a GPU."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hyperflow_export.engine.target import Target, ahead_of_time
from hyperflow_export.precision.graph_view import GraphView, load_graph
from hyperflow_export.precision.mixed_half import to_half
from hyperflow_export.precision.quantising import activation_ranges, quantisable_nodes, quantised
from hyperflow_runtime.backends.tensorrt.library import TensorRTLibrary, load_library
from hyperflow_runtime.bundle.manifest import Precision
from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.errors import BackendError

Claims = Callable[[Bundle, Precision], Bundle]


@pytest.fixture(scope="session")
def rtx() -> TensorRTLibrary:
    """TensorRT for RTX."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its bindings, at import
            return load_library("tensorrt_rtx")
    except BackendError as error:
        pytest.skip(f"needs TensorRT for RTX: {error}")


@pytest.fixture(scope="session")
def target(rtx: TensorRTLibrary) -> Target:
    """A GPU that is not here."""
    return ahead_of_time("86")


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    """An empty cache."""
    return EngineCache(tmp_path / "engines")


@pytest.fixture(scope="session")
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle, in fp32."""
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="session")
def claims() -> Claims:
    """Makes a bundle say that it is of some precision."""

    def make(bundle: Bundle, precision: Precision) -> Bundle:
        return replace(bundle, manifest=msgspec.structs.replace(bundle.manifest, precision=precision))

    return make


def _feeds(bundle: Bundle) -> list[dict[str, np.ndarray]]:
    images = np.random.default_rng(0).standard_normal((8, 3, 32, 32)).astype(np.float32)
    return [{"images": images, "theta": bundle.theta_0}]


@pytest.fixture(scope="session")
def half_bundle(bundle: Bundle, claims: Claims) -> Bundle:
    """The tiny bundle in fp16, as the exporter writes it."""
    rng = np.random.default_rng(0)
    support = {
        "features": rng.random((6, bundle.manifest.feature_dim), dtype=np.float32),
        "labels_onehot": np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]],
        "step_size": np.ones((), np.float32),
    }
    backbone, _ = to_half(bundle.backbone_onnx, _feeds(bundle), parameter="theta")
    adapt, _ = to_half(bundle.adapt_onnx, [support])
    return claims(replace(bundle, backbone_onnx=backbone, adapt_onnx=adapt), "fp16")


@pytest.fixture(scope="session")
def int8_bundle(bundle: Bundle, half_bundle: Bundle, claims: Claims) -> Bundle:
    """The tiny bundle with an int8 backbone and an fp16 drift."""
    model = load_graph(bundle.backbone_onnx)
    ranges = activation_ranges(model, _feeds(bundle))
    backbone = quantised(model, ranges, quantisable_nodes(GraphView(model))).SerializeToString()
    return claims(replace(half_bundle, backbone_onnx=backbone), "int8")
