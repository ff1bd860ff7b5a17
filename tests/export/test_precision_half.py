"""fp16 in the graphs: what computes in it, what does not, and what happens where fp16 cannot hold the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from hyperflow.backbones.hf_loading import load_hf
from hyperflow.drift.config import DriftConfig
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow_export.exporting import ExportReport
from hyperflow_export.graphs import export_backbone
from hyperflow_export.precision.graph_view import GraphView, load_graph
from hyperflow_export.precision.mixed_half import to_half
from hyperflow_export.precision.rounding import with_rounding
from hyperflow_export.precision.shares import precision_shares
from hyperflow_runtime.bundle.manifest import Limits
from hyperflow_runtime.bundle.reader import Bundle, read_bundle

Array = NDArray[np.float32]
Feed = Mapping[str, Array]
PRODUCTS = ("Conv", "Gemm", "MatMul")
IN_FP32 = ("LayerNormalization", "Softmax", "ReduceL2", "ReduceMean", "ReduceSum", "Log", "Sqrt", "Pow")


def _run(graph: bytes, feed: Feed) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return [np.asarray(value) for value in session.run(None, dict(feed))]


def _types(view: GraphView, node: NodeProto) -> set[int]:
    """Float types that a node reads and writes."""
    found = {view.element_type(name) for name in (*node.input, *node.output) if name}
    return found & {TensorProto.FLOAT, TensorProto.FLOAT16}


@pytest.fixture(scope="module")
def bundle(exported: ExportReport) -> Bundle:
    return read_bundle(exported.output)


@pytest.fixture(scope="module")
def backbone_feed(bundle: Bundle) -> Feed:
    rng = np.random.default_rng(0)
    theta = bundle.theta_0 * rng.uniform(0.8, 1.2, bundle.theta_0.shape).astype(np.float32)
    return {"images": rng.standard_normal((3, 3, 32, 32), dtype=np.float32), "theta": theta}


@pytest.fixture(scope="module")
def adapt_feed() -> Feed:
    features = np.random.default_rng(0).random((6, 16), dtype=np.float32)
    return {
        "features": features,
        "labels_onehot": np.eye(3, dtype=np.float32).repeat(2, axis=0),
        "step_size": np.array(1.0, np.float32),
    }


def test_fp16_flows_from_the_first_convolution_to_the_pooling_without_a_cast(
    bundle: Bundle, backbone_feed: Feed
) -> None:
    data, kept = to_half(bundle.backbone_onnx, [backbone_feed], parameter="theta")
    view = GraphView(load_graph(data))

    assert kept == {}
    assert precision_shares(data) == {"fp32": 0.0, "fp16": 1.0, "int8": 0.0}
    casts = {node.input[0] for node in view.nodes if node.op_type == "Cast"}
    assert len(casts) == 3
    assert {"images", "theta"} < casts
    pooled = next(node for node in view.nodes if node.op_type == "ReduceMean")
    assert view.maker[pooled.input[0]].op_type == "Cast"
    for node in view.nodes:
        if node.op_type in ("Conv", "Mul", "Relu"):
            assert _types(view, node) == {TensorProto.FLOAT16}, node.name
    assert [view.element_type(name) for name in (*view.inputs, *view.outputs)] == [TensorProto.FLOAT] * 3


def test_the_drift_keeps_norms_means_distances_and_the_euler_state_in_fp32(bundle: Bundle, adapt_feed: Feed) -> None:
    data, kept = to_half(bundle.adapt_onnx, [adapt_feed])
    view = GraphView(load_graph(data))

    assert kept == {}
    assert precision_shares(data)["fp16"] > 0.95
    for node in view.nodes:
        if node.op_type in IN_FP32 and _types(view, node):
            assert _types(view, node) == {TensorProto.FLOAT}, node.name
        if node.op_type == "Gemm":
            assert _types(view, node) == {TensorProto.FLOAT16}, node.name
    name, seen = "theta", []
    while name in view.maker:  # back along the sum that theta is: theta_0 + units * (0 + h v + h v)
        node = view.maker[name]
        seen.append((node.op_type, _types(view, node)))
        ahead = [other for other in node.input if other in view.maker and view.is_float(other)]
        if not ahead or node.op_type not in ("Add", "Mul", "Squeeze", "Gather", "Reshape", "Slice"):
            break
        name = ahead[0]
    assert ("Add", {TensorProto.FLOAT}) in seen[:2]
    assert all(types == {TensorProto.FLOAT} for op, types in seen if op in ("Add", "Mul"))


@pytest.mark.parametrize("graph", ["backbone_onnx", "adapt_onnx"])
def test_an_fp16_graph_is_about_half_as_large_and_old_enough_for_every_engine(
    graph: str, bundle: Bundle, backbone_feed: Feed, adapt_feed: Feed
) -> None:
    full: bytes = getattr(bundle, graph)
    feed = backbone_feed if graph == "backbone_onnx" else adapt_feed
    half, _ = to_half(full, [feed], parameter="theta" if graph == "backbone_onnx" else None)
    model = onnx.load_from_string(half)

    def weight_bytes(data: bytes) -> int:
        return sum(len(tensor.raw_data) for tensor in onnx.load_from_string(data).graph.initializer)

    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version <= 10
    assert {entry.domain: entry.version <= 20 for entry in model.opset_import} == {"": True}
    assert weight_bytes(half) < 0.65 * weight_bytes(full)
    for expected, found in zip(_run(full, feed), _run(half, feed), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=5e-3 * np.abs(expected).max())
        assert np.abs(found - expected).max() > 0  # it did compute in another precision


@pytest.mark.parametrize("rule", ["layer_norm", "qkv_bias", "low_rank"])
def test_a_vision_transformer_has_fp16_products_around_fp32_norms_and_softmax(rule: str, vit_folder: str) -> None:
    loaded = load_hf(vit_folder, size_px=32)
    drift = DriftConfig(width=16, encoder_layers=1, encoder_heads=2, field_blocks=1)
    model = HyperFlow(
        ModelConfig("vit", loaded.config, loaded.preprocessing, rule, drift, 2),  # type: ignore[arg-type]
        loaded.network,
    ).eval()
    full = export_backbone(model, Limits(8, 24, 6))
    images = np.random.default_rng(0).standard_normal((3, 3, 32, 32), dtype=np.float32)
    feed = {"images": images, "theta": model.backbone.theta_0.numpy()}

    half, kept = to_half(full, [feed], parameter="theta")
    view = GraphView(load_graph(half))

    assert kept == {}
    assert precision_shares(half)["fp16"] == 1.0
    counts = Counter(node.op_type for node in view.nodes)
    assert (counts["LayerNormalization"], counts["Softmax"]) == (5, 2)
    for node in view.nodes:
        if node.op_type in PRODUCTS:
            assert _types(view, node) == {TensorProto.FLOAT16}, node.name
        if node.op_type in ("LayerNormalization", "Softmax"):
            assert _types(view, node) == {TensorProto.FLOAT}, node.name
    [expected], [found] = _run(full, feed), _run(half, feed)
    np.testing.assert_allclose(found, expected, atol=5e-3 * np.abs(expected).max())


def test_what_would_overflow_fp16_stays_in_fp32_and_is_named(bundle: Bundle, backbone_feed: Feed) -> None:
    loud = {**backbone_feed, "images": backbone_feed["images"] * np.float32(2e5)}

    half, kept = to_half(bundle.backbone_onnx, [loud], parameter="theta")

    assert any("near the largest number of fp16" in reason for reason in kept.values())
    assert precision_shares(half)["fp32"] > 0
    [expected], [found] = _run(bundle.backbone_onnx, loud), _run(with_rounding(half), loud)
    np.testing.assert_allclose(found, expected, atol=1e-2 * np.abs(expected).max())
    careless, _ = to_half(bundle.backbone_onnx, [backbone_feed], parameter="theta")
    assert not np.isfinite(_run(with_rounding(careless), loud)[0]).all()  # what was avoided


def _scaled_weights(graph: bytes, factor: float) -> tuple[bytes, str]:
    """Scale the weights of the first convolution down, and its output up again."""
    model = onnx.load_from_string(graph)
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == conv.input[1])
    values = numpy_helper.to_array(tensor) * np.float32(factor)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model.SerializeToString(), tensor.name


@pytest.mark.parametrize(("factor", "why"), [(1e-7, "too small"), (1e7, "too large")])
def test_weights_that_fp16_cannot_hold_stay_in_fp32_and_are_named(
    factor: float, why: str, bundle: Bundle, backbone_feed: Feed
) -> None:
    graph, name = _scaled_weights(bundle.backbone_onnx, factor)

    _, kept = to_half(graph, [backbone_feed], parameter="theta")

    assert f"fp16 cannot hold its weights {name}" in kept.values(), why


def test_a_rounded_graph_differs_by_what_fp16_loses_and_no_more(bundle: Bundle, backbone_feed: Feed) -> None:
    half, _ = to_half(bundle.backbone_onnx, [backbone_feed], parameter="theta")
    rounded = with_rounding(half)
    view = GraphView(load_graph(rounded))

    [expected], [found] = _run(bundle.backbone_onnx, backbone_feed), _run(rounded, backbone_feed)

    assert all(view.is_float(name) for node in view.nodes if node.op_type == "Conv" for name in node.input)
    assert 1e-5 < np.abs(found - expected).max() / np.abs(expected).max() < 5e-3


def _tiny_graph(nodes: list[NodeProto], weights: Mapping[str, Array], n_out: int) -> bytes:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", n_out])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize(
    ("between", "half_is_expected"),
    [
        (lambda: helper.make_node("Relu", ["a"], ["b"]), True),
        (lambda: helper.make_node("Softmax", ["a"], ["b"]), False),
        (lambda: helper.make_node("Cos", ["a"], ["b"]), False),  # nothing says that fp16 would do
        (lambda: helper.make_node("Div", ["a", "w"], ["b"]), True),  # a constant divides: a product in other words
        (lambda: helper.make_node("Div", ["w", "a"], ["b"]), False),
    ],
    ids=["follower", "softmax", "unknown", "by a constant", "by data"],
)
def test_what_lies_between_two_products_follows_them_where_that_is_safe(
    between: Callable[[], NodeProto], half_is_expected: bool
) -> None:
    node = between()
    weights = np.random.default_rng(0).uniform(0.5, 1, (4, 4)).astype(np.float32)
    graph = _tiny_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
            node,
            helper.make_node("MatMul", ["b", "w"], ["y"], name="second"),
        ],
        {"w": weights},
        4,
    )
    feed = {"x": np.random.default_rng(1).random((4, 4), dtype=np.float32) + 1}

    half, _ = to_half(graph, [feed])

    view = GraphView(load_graph(half))
    middle = next(other for other in view.nodes if other.op_type == node.op_type)
    assert _types(view, middle) == {TensorProto.FLOAT16 if half_is_expected else TensorProto.FLOAT}
    assert sum(other.op_type == "Cast" for other in view.nodes) == (2 if half_is_expected else 4)
    np.testing.assert_allclose(_run(half, feed)[0], _run(graph, feed)[0], rtol=5e-3)


def test_the_network_that_was_traced_is_not_changed(bundle: Bundle, backbone_feed: Feed) -> None:
    before = bytes(bundle.backbone_onnx)

    to_half(bundle.backbone_onnx, [backbone_feed], parameter="theta")

    assert bundle.backbone_onnx == before
    assert torch.is_grad_enabled()
