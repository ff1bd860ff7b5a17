"""int8 in the backbone: the form of the nodes, the images to calibrate on, and what stays out of it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from hyperflow.model import HyperFlow
from hyperflow_export.describing import preprocessing_of
from hyperflow_export.errors import ExportError
from hyperflow_export.exporting import ExportReport
from hyperflow_export.precision.authoring import backbone_in_int8
from hyperflow_export.precision.calibration_tasks import CalibrationTask, calibration_tasks, task_of_images
from hyperflow_export.precision.graph_view import GraphView, load_graph
from hyperflow_export.precision.mixed_half import to_half
from hyperflow_export.precision.quantising import activation_ranges, quantisable_nodes, quantised
from hyperflow_export.precision.sensitivity import LEAST_SIMILARITY, choose_int8
from hyperflow_export.precision.shares import precision_shares
from hyperflow_runtime.bundle.reader import Bundle, read_bundle

Array = NDArray[np.float32]


@pytest.fixture(scope="module")
def bundle(exported: ExportReport) -> Bundle:
    return read_bundle(exported.output)


@pytest.fixture(scope="module")
def tasks(tiny_model: HyperFlow, many_photos: Path) -> list[CalibrationTask]:
    return calibration_tasks(tiny_model, preprocessing_of(tiny_model), many_photos, 60, 0)


@pytest.fixture(scope="module")
def int8_view(bundle: Bundle, tasks: list[CalibrationTask]) -> GraphView:
    return GraphView(load_graph(backbone_in_int8(bundle.backbone_onnx, tasks).data))


def test_every_product_reads_int8_weights_by_channel_and_int8_activations(int8_view: GraphView) -> None:
    convolutions = [node for node in int8_view.nodes if node.op_type == "Conv"]

    assert len(convolutions) >= 5
    for conv in convolutions:
        activation, weight = (int8_view.maker[name] for name in conv.input[:2])
        assert (activation.op_type, weight.op_type) == ("DequantizeLinear", "DequantizeLinear")
        assert int8_view.maker[activation.input[0]].op_type == "QuantizeLinear"
        assert int8_view.element_type(weight.input[0]) == TensorProto.INT8
        n_channels = int8_view.shape(weight.input[0])[0]
        assert int8_view.shape(weight.input[1]) == (n_channels,)
        assert int8_view.shape(activation.input[1]) == ()
        assert len(conv.input) == 2 or int8_view.element_type(conv.input[2]) == TensorProto.FLOAT16


def test_quantisation_is_symmetric_everywhere_and_weights_use_the_whole_range(int8_view: GraphView) -> None:
    nodes = [node for node in int8_view.nodes if node.op_type in ("QuantizeLinear", "DequantizeLinear")]

    for node in nodes:
        zero = int8_view.constant(node.input[2])
        assert zero.dtype == np.int8
        assert not zero.any()
    weights = [int8_view.constant(n.input[0]) for n in nodes if n.input[0] in int8_view.constants]
    assert all(np.abs(weight.astype(np.int16)).max() == 127 for weight in weights)


def test_quantising_itself_is_done_in_fp32_since_older_kernels_cut_off_in_fp16(int8_view: GraphView) -> None:
    found = [node for node in int8_view.nodes if node.op_type == "QuantizeLinear"]

    assert found
    for node in found:
        assert int8_view.element_type(node.input[0]) == int8_view.element_type(node.input[1]) == TensorProto.FLOAT


def test_what_is_not_int8_is_fp16_and_the_edges_stay_fp32(bundle: Bundle, tasks: list[CalibrationTask]) -> None:
    authored = backbone_in_int8(bundle.backbone_onnx, tasks)
    model, view = onnx.load_from_string(authored.data), GraphView(load_graph(authored.data))

    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain: entry.version <= 20 for entry in model.opset_import} == {"": True}
    assert authored.arithmetic.shares == {"fp32": 0.0, "fp16": 0.0, "int8": 1.0} == precision_shares(authored.data)
    assert all(view.is_float(name) for name in (*view.inputs, *view.outputs))
    assert all(
        view.element_type(node.output[0]) == TensorProto.FLOAT16
        for node in view.nodes
        if node.op_type in ("Conv", "Mul", "Relu")
    )
    assert "60 images" in authored.arithmetic.calibration
    assert "fewer images than the 200 that are advised" in authored.arithmetic.calibration


def test_ranges_grow_with_the_thetas_that_were_shown(bundle: Bundle, tasks: list[CalibrationTask]) -> None:
    model = load_graph(bundle.backbone_onnx)
    conv = [node for node in model.graph.node if node.op_type == "Conv"][-1].input[0]

    def largest(scale: float) -> float:
        feeds = [{"images": tasks[0].images, "theta": tasks[0].thetas[0] * np.float32(scale)}]
        low, high = activation_ranges(model, feeds)[conv].range_value
        return max(abs(float(low)), abs(float(high)))

    assert largest(2.0) > 2 * largest(1.0)


def test_a_task_holds_theta_0_and_one_theta_for_each_step_size(
    tasks: list[CalibrationTask], tiny_model: HyperFlow
) -> None:
    sizes = {*tiny_model.config.device.candidates, tiny_model.config.device.step_size} - {0.0}

    for task in tasks:
        assert len(task.thetas) == 1 + len(sizes)
        np.testing.assert_array_equal(task.thetas[0], tiny_model.backbone.theta_0.numpy())
        moved = [np.linalg.norm(theta - task.thetas[0]) for theta in task.thetas]
        assert moved == sorted(moved)
        assert moved[1] > 0
        assert task.images.shape == (len(task.labels_onehot), 3, 32, 32)
    assert sum(len(task.images) for task in tasks) == 60


def test_no_image_is_drawn_twice_and_a_seed_repeats_the_drawing(tiny_model: HyperFlow, many_photos: Path) -> None:
    rule = preprocessing_of(tiny_model)

    first, again, other = (calibration_tasks(tiny_model, rule, many_photos, 500, seed) for seed in (0, 0, 1))

    images = np.concatenate([task.images for task in first])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images) == 75
    for task, same in zip(first, again, strict=True):
        np.testing.assert_array_equal(task.images, same.images)
    assert not np.array_equal(first[0].images, other[0].images)


@pytest.mark.parametrize(("count", "given"), [(40, 40), (500, 15)], ids=["count too low", "folder too small"])
def test_too_few_images_are_refused_with_their_number(
    count: int, given: int, tiny_model: HyperFlow, photos: Path, many_photos: Path
) -> None:
    folder = many_photos if count == 40 else photos

    with pytest.raises(ExportError, match=rf"{folder} gives {given} images to calibrate on, at least 50 are needed"):
        calibration_tasks(tiny_model, preprocessing_of(tiny_model), folder, count, 0)


def _with_a_channel_that_drowns_the_others(graph: bytes) -> tuple[onnx.ModelProto, set[str]]:
    """Make one channel between two convolutions huge, and let the second, its only reader, make nothing of it."""
    model = load_graph(graph)
    view = GraphView(model)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    second = next(conv for conv in convolutions[1:] if len(view.readers[conv.input[0]]) == 1)
    first = view.maker[second.input[0]]
    while first.op_type != "Conv":
        first = view.maker[first.input[0]]
    weights = {tensor.name: tensor for tensor in model.graph.initializer}

    def edit(name: str, channel: tuple[slice | int, ...], factor: float) -> None:
        values = numpy_helper.to_array(weights[name]).copy()
        values[channel] *= factor
        weights[name].CopyFrom(numpy_helper.from_array(values, name))

    edit(first.input[1], (0,), 3e4)
    edit(second.input[1], (slice(None), 0), 0.0)
    return model, {second.name}


def test_products_that_int8_would_ruin_stay_out_of_it_and_the_others_do_not(
    bundle: Bundle, tasks: list[CalibrationTask]
) -> None:
    model, victims = _with_a_channel_that_drowns_the_others(bundle.backbone_onnx)
    nodes = quantisable_nodes(GraphView(model))
    feeds = [{"images": task.images, "theta": task.thetas[0]} for task in tasks]

    choice = choose_int8(model, activation_ranges(model, feeds), nodes, tasks)

    assert set(choice.kept) == victims
    assert max(choice.kept.values()) < LEAST_SIMILARITY
    assert set(choice.nodes) == set(nodes) - victims
    assert choice.similarity >= LEAST_SIMILARITY


def test_int8_weights_whose_scales_fp16_cannot_hold_leave_their_product_in_fp32(
    bundle: Bundle, tasks: list[CalibrationTask]
) -> None:
    model = load_graph(bundle.backbone_onnx)
    feeds = [{"images": task.images, "theta": task.thetas[0]} for task in tasks]
    nodes = quantisable_nodes(GraphView(model))
    conv = next(node for node in model.graph.node if node.name == nodes[-1])
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == conv.input[1])
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1e-6), tensor.name))
    ranges = activation_ranges(model, feeds)

    data, kept = to_half(quantised(model, ranges, nodes).SerializeToString(), feeds, parameter="theta")

    assert list(kept) == [conv.name]
    assert kept[conv.name].startswith("fp16 cannot hold its weights")
    view = GraphView(load_graph(data))
    found = next(node for node in view.nodes if node.name == conv.name)
    assert view.is_float(found.output[0])
    assert precision_shares(data)["int8"] == 1.0  # still int8, only scaled in fp32


def test_quantising_nothing_gives_the_graph_back(bundle: Bundle, tasks: list[CalibrationTask]) -> None:
    model = load_graph(bundle.backbone_onnx)
    ranges = activation_ranges(model, [{"images": tasks[0].images, "theta": tasks[0].thetas[0]}])

    assert quantised(model, ranges, []) == model


def test_calibrating_prints_nothing(
    bundle: Bundle, tasks: list[CalibrationTask], capfd: pytest.CaptureFixture[str]
) -> None:
    activation_ranges(load_graph(bundle.backbone_onnx), [{"images": tasks[0].images, "theta": tasks[0].thetas[0]}])

    assert capfd.readouterr().out == ""


def test_a_step_size_that_no_guard_has_is_calibrated_too(tiny_model: HyperFlow, tasks: list[CalibrationTask]) -> None:
    device = msgspec.structs.replace(tiny_model.config.device, step_size=0.75)
    config = msgspec.structs.replace(tiny_model.config, device=device)
    original, tiny_model.config = tiny_model.config, config
    try:
        task = task_of_images(tiny_model, tasks[0].images, tasks[0].labels_onehot)
    finally:
        tiny_model.config = original

    assert len(task.thetas) == 4  # theta_0, then 0.5, 0.75 and 1
