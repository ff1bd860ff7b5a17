"""What an export leaves behind: files, manifest and graphs, and what the graphs compute against torch."""

from __future__ import annotations

import hashlib
import json
import site
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
import torch

from hyperflow.model import HyperFlow
from hyperflow_export.exporting import ExportReport
from hyperflow_export.graphs import export_adapt, export_backbone
from hyperflow_export.verification import verify_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.manifest import BUNDLE_FILES, Limits, Manifest
from hyperflow_runtime.bundle.reader import Bundle, read_bundle

GRAPHS = ["backbone.onnx", "adapt.onnx"]
TASKS = ("16way2shot", "2way1shot", "7way3shot")
RANDOM_CHECKS = (
    "features at theta_0", "theta after 2 steps", "step norms", "adapted features", "adapted scores",
    "adapted features, baked",
)  # fmt: skip


@pytest.fixture(scope="module")
def bundle(exported: ExportReport) -> Bundle:
    return read_bundle(exported.output)


@pytest.fixture(scope="module")
def backend(bundle: Bundle) -> Iterator[OnnxRuntimeBackend]:
    backend = OnnxRuntimeBackend(bundle, n_threads=1)
    yield backend
    backend.close()


def test_a_bundle_has_its_files_and_no_other(exported: ExportReport) -> None:
    files = list(exported.output.iterdir())

    assert sorted(file.name for file in files) == sorted([*BUNDLE_FILES, "manifest.json"])
    assert all(file.is_file() for file in files)
    assert [file.name for file in exported.output.parent.iterdir()] == ["desk.hyperflow"]
    assert exported.output.stat().st_mode & 0o777 == 0o755


def test_the_manifest_lists_the_size_and_hash_of_every_file(exported: ExportReport) -> None:
    listed = json.loads((exported.output / "manifest.json").read_text())["files"]

    for name in BUNDLE_FILES:
        data = (exported.output / name).read_bytes()
        assert listed[name] == {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}


def test_the_manifest_says_what_the_model_is(bundle: Bundle, tiny_model: HyperFlow) -> None:
    manifest, config = bundle.manifest, tiny_model.config

    assert (manifest.name, manifest.licence, manifest.precision) == ("tiny", config.licence, "fp32")
    assert manifest.feature_dim == tiny_model.backbone.feature_dim
    assert [(slot.name, slot.offset, slot.size) for slot in manifest.theta] == [
        (slot.name, slot.offset, slot.size) for slot in tiny_model.backbone.layout.slots
    ]
    rule = msgspec.to_builtins(manifest.preprocessing)
    assert (rule.pop("interpolation"), rule.pop("colour_order")) == ("bilinear_antialias", "rgb")
    assert rule == msgspec.to_builtins(config.preprocessing)
    assert msgspec.to_builtins(manifest.adaptation) | msgspec.to_builtins(manifest.head) == {
        "n_steps": config.n_steps, **msgspec.to_builtins(config.device)
    }  # fmt: skip
    np.testing.assert_array_equal(bundle.theta_0, tiny_model.backbone.theta_0.numpy())
    assert {"hyperflow", "python", "torch", "onnx", "onnxscript", "onnxruntime"} <= set(manifest.creator)


def test_the_limits_that_were_asked_for_are_in_the_manifest(bundle: Bundle) -> None:
    assert bundle.manifest.limits == Limits(max_batch=8, max_support=24, max_ways=6)


def test_parity_is_proven_on_every_stage_and_on_further_shapes(exported: ExportReport, bundle: Bundle) -> None:
    expected = {f"{task}: theta" for task in TASKS} | {f"random: {check}" for check in RANDOM_CHECKS}

    assert {check.name for check in exported.checks} == expected
    assert all(check.passed and check.max_abs < 1e-4 for check in exported.checks)
    assert bundle.manifest.parity == exported.checks
    assert [stage.name for stage in exported.stages] == [
        "load checkpoint", "trace backbone.onnx", "trace adapt.onnx", "reference data", "verify parity"
    ]  # fmt: skip
    sizes = {stage.name: stage.size_bytes for stage in exported.stages}
    assert sizes["trace adapt.onnx"] == (exported.output / "adapt.onnx").stat().st_size


def test_a_fresh_export_verifies(bundle: Bundle, exported: ExportReport) -> None:
    checks = verify_bundle(bundle)

    assert [check.name for check in checks] == [check.name for check in exported.checks]
    assert all(check.passed for check in checks)


def test_the_committed_tiny_bundle_is_what_its_script_still_makes(bundle: Bundle, tiny_bundle: Path) -> None:
    committed = read_bundle(tiny_bundle)

    def without_history(manifest: Manifest) -> Manifest:
        return msgspec.structs.replace(manifest, creator={}, parity=(), files=bundle.manifest.files)

    assert without_history(committed.manifest) == without_history(bundle.manifest)
    np.testing.assert_allclose(committed.theta_0, bundle.theta_0, rtol=1e-6)


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_are_valid_and_old_enough_for_every_engine(exported: ExportReport, name: str) -> None:
    graph = onnx.load(exported.output / name, load_external_data=False)

    onnx.checker.check_model(graph, full_check=True)
    assert graph.ir_version <= 10
    assert {entry.domain: entry.version <= 20 for entry in graph.opset_import} == {"": True}
    assert all(tensor.data_location != onnx.TensorProto.EXTERNAL for tensor in graph.graph.initializer)
    assert not graph.functions
    assert all(node.op_type not in ("Loop", "If", "Scan") for node in graph.graph.node)


@pytest.mark.parametrize("name", [*BUNDLE_FILES, "manifest.json"])
def test_no_file_tells_where_it_was_traced(exported: ExportReport, checkpoint: Path, name: str) -> None:
    data = (exported.output / name).read_bytes()
    here = [str(Path.home()), str(checkpoint.parent), str(Path(__file__).parents[2]), str(Path(torch.__file__).parent)]

    for trace in (*here, *site.getsitepackages(), "site-packages", "stack_trace", "pkg.torch", "Traceback"):
        assert trace.encode() not in data, trace


@pytest.mark.parametrize("batch", [1, 2, 3, 8, 19])
def test_any_number_of_images_gives_the_features_that_torch_gives(
    backend: OnnxRuntimeBackend, bundle: Bundle, tiny_model: HyperFlow, batch: int
) -> None:
    rng = np.random.default_rng(batch)
    images = rng.standard_normal((batch, 3, 32, 32), dtype=np.float32)
    theta = bundle.theta_0 * rng.uniform(0.5, 1.5, bundle.theta_0.shape).astype(np.float32)
    with torch.no_grad():
        expected = tiny_model.encode(torch.from_numpy(images), torch.from_numpy(theta)).numpy()

    assert expected.std() > 1e-2
    np.testing.assert_allclose(backend.encode(images, theta), expected, atol=1e-4)
    np.testing.assert_allclose(backend.baked(theta).encode(images), expected, atol=1e-4)


@pytest.mark.parametrize("step_size", [0.5, 2.0])
@pytest.mark.parametrize(
    "labels",
    [[0, 1], [0, 1, 1, 1], [0, 1, 2, 3, 4, 5] * 4, [3, 0, 1, 0, 2, 3, 3], list(range(24))],
    ids=["2 x 1", "uneven pair", "6 x 4", "uneven and mixed", "24 x 1"],
)
def test_any_number_of_ways_and_shots_gives_the_theta_that_torch_gives(
    backend: OnnxRuntimeBackend, tiny_model: HyperFlow, labels: list[int], step_size: float
) -> None:
    features = np.random.default_rng(len(labels)).random((len(labels), 16), dtype=np.float32)
    onehot = np.eye(max(labels) + 1, dtype=np.float32)[labels]
    with torch.no_grad():
        expected = tiny_model.adapt(torch.from_numpy(features), torch.from_numpy(onehot), torch.tensor(step_size))

    theta, step_norms = backend.adapt(features, onehot, step_size)

    assert (expected.theta - tiny_model.backbone.theta_0).abs().min() > 0  # every coordinate moves
    assert (expected.theta - tiny_model.backbone.theta_0).abs().max() > 1e-2
    np.testing.assert_allclose(theta, expected.theta.numpy(), atol=1e-4)
    np.testing.assert_allclose(step_norms, expected.step_norms.numpy(), rtol=1e-4)


def test_a_step_size_of_zero_gives_theta_0_exactly(backend: OnnxRuntimeBackend, bundle: Bundle) -> None:
    features = np.random.default_rng(0).random((6, 16), dtype=np.float32)

    theta, step_norms = backend.adapt(features, np.eye(3, dtype=np.float32).repeat(2, axis=0), 0.0)

    np.testing.assert_array_equal(theta, bundle.theta_0)
    assert step_norms.tolist() == [0.0, 0.0]


def test_the_smallest_limits_can_be_exported(tiny_model: HyperFlow) -> None:
    least = Limits(max_batch=1, max_support=2, max_ways=2)

    for data, inputs in (
        (export_backbone(tiny_model, least), ["images", "theta"]),
        (export_adapt(tiny_model, least), ["features", "labels_onehot", "step_size"]),
    ):
        graph = onnx.load_from_string(data)
        onnx.checker.check_model(graph)
        assert [node.name for node in graph.graph.input] == inputs
        assert graph.graph.input[0].type.tensor_type.shape.dim[0].dim_param  # still any size
