"""A bundle from a checkpoint that holds the drift network alone, and the public ONNX file with the backbone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from hyperflow.backbones.mobilenet_v2_weights import mobilenet_v2_of
from hyperflow.checkpoint import load_checkpoint, save_checkpoint
from hyperflow.drift.config import DriftConfig
from hyperflow.images.preprocessing import Preprocessing
from hyperflow.model import HyperFlow, ModelConfig
from hyperflow.stripping import strip_checkpoint
from hyperflow_export.commands.main import main
from hyperflow_export.exporting import ExportOptions, ExportReport, export_bundle
from hyperflow_runtime import open_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.manifest import Limits
from hyperflow_runtime.bundle.reader import read_bundle

Arrays = dict[str, NDArray[np.float32]]


def _write_onnx(path: Path, arrays: Arrays) -> None:
    """An ONNX file as the old exporters made it: every weight an initialiser, most of the graph left out here."""
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    tensors.append(numpy_helper.from_array(np.array([0, -1]), "reshape_attr_tensor421"))
    image = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 224, 224])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    node = helper.make_node("Conv", ["data", "mobilenetv20_features_conv0_weight"], ["out"], pads=[1] * 4)
    path.write_bytes(helper.make_model(helper.make_graph([node], "net", [image], [out], tensors)).SerializeToString())


@pytest.fixture(scope="module")
def folder(public_arrays: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`whole`, its copy `drift` without the backbone, and the backbone as `net.onnx` and `net.npz`."""
    folder = tmp_path_factory.mktemp("mobilenet")
    _write_onnx(folder / "net.onnx", public_arrays)
    np.savez(folder / "net.npz", allow_pickle=False, **public_arrays)
    torch.manual_seed(0)
    brought = mobilenet_v2_of(public_arrays)
    drift = DriftConfig(width=8, encoder_layers=1, encoder_heads=2, field_blocks=1, field_rank=4, output_scale=1e-3)
    config = ModelConfig("mn", brought.config, Preprocessing(32), drift=drift, n_steps=1, licence="MIT")
    model = HyperFlow(config, brought.network).eval()
    for parameter in model.field.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    save_checkpoint(model, folder / "whole")
    strip_checkpoint(
        folder / "whole", folder / "net.npz", folder / "drift", where="https://example.org/net", licence="Apache-2.0"
    )
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> ExportReport:
    """A real export of the drift with the ONNX file."""
    limits = Limits(max_batch=8, max_support=24, max_ways=6)
    return export_bundle(
        ExportOptions(folder / "drift", folder / "mn.hyperflow", limits=limits, backbone=folder / "net.onnx")
    )


@pytest.fixture(scope="module")
def backend(report: ExportReport) -> Iterator[OnnxRuntimeBackend]:
    backend = OnnxRuntimeBackend(read_bundle(report.output), n_threads=1)
    yield backend
    backend.close()


def _bundle(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["bundle", *map(str, arguments)])


def test_the_bundle_computes_what_the_whole_checkpoint_does(
    folder: Path, report: ExportReport, backend: OnnxRuntimeBackend
) -> None:
    torch.manual_seed(0)
    whole, images, onehot = load_checkpoint(folder / "whole"), torch.randn(4, 3, 32, 32), torch.eye(2).repeat(2, 1)
    theta_0 = whole.backbone.theta_0
    with torch.no_grad():
        features = whole.encode(images)
        adapted = whole.adapt(features, onehot, torch.tensor(1.0))
        under_adapted = whole.encode(images, adapted.theta)

    theta = backend.adapt(features.numpy(), onehot.numpy(), 1.0)[0]

    assert all(check.passed for check in report.checks)
    assert np.array_equal(np.load(report.output / "theta0.npy"), theta_0.numpy())
    assert not torch.equal(adapted.theta, theta_0)
    np.testing.assert_allclose(backend.encode(images.numpy(), theta_0.numpy()), features.numpy(), atol=5e-3)
    np.testing.assert_allclose(theta, adapted.theta.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(backend.encode(images.numpy(), theta), under_adapted.numpy(), atol=5e-3)


def test_the_runtime_opens_it_and_answers(report: ExportReport) -> None:
    rng = np.random.default_rng(0)
    frames = {name: rng.integers(0, 256, (40, 40, 3), dtype=np.uint8) for name in ("key", "mug")}
    session = open_bundle(report.output).session(colour_order="rgb", bake=False)
    for name, frame in frames.items():
        session.add(name, [frame])
    session.adapt()

    assert {name: session.predict(frame).label for name, frame in frames.items()} == {"key": "key", "mug": "mug"}


def test_the_manifest_carries_both_licences(report: ExportReport) -> None:
    licence = json.loads((report.output / "manifest.json").read_text())["licence"]

    assert licence == (
        "MIT (drift network); Apache-2.0 (backbone, its weights unchanged from net.npz: https://example.org/net)"
    )


def test_without_the_backbone_or_with_another_nothing_is_written_and_the_message_says_what_to_bring(
    folder: Path, public_arrays: Arrays, tmp_path: Path
) -> None:
    other = public_arrays | {"mobilenetv20_features_conv0_weight": np.zeros((32, 3, 3, 3), np.float32)}
    _write_onnx(tmp_path / "other.onnx", other)
    (tmp_path / "torn.onnx").write_bytes((folder / "net.onnx").read_bytes()[:100_000])
    drift, out = folder / "drift", tmp_path / "out.hyperflow"

    for arguments, message in (
        ([drift], "bring the backbone, net.npz (Apache-2.0) from https://example.org/net, and name the file with --ba"),
        ([drift, "--backbone", tmp_path / "other.onnx"], f"{tmp_path}/other.onnx: not the backbone that this"),
        ([drift, "--backbone", tmp_path / "torn.onnx"], "torn.onnx is not a whole ONNX file"),
        ([drift, "--backbone", drift / "config.json"], "config.json is neither .onnx nor .npz"),
        ([folder / "whole", "--backbone", folder / "net.onnx"], "holds its backbone's weights already; leave out"),
    ):
        result = _bundle(*arguments, "-o", out, "--json")

        assert result.exit_code == 1, arguments
        assert message in result.stderr
        assert "Traceback" not in result.output
        assert not out.exists()


def test_the_help_shows_how_to_name_the_backbone() -> None:
    result = _bundle("--help")

    assert "hyperflow-export bundle models/mobilenetv2 --backbone mobilenetv2-7.onnx -o mn.hyperflow" in result.stdout
