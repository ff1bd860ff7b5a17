"""fp16 and int8 bundles from end to end: the command, the manifest, parity, and what a broken graph comes to."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import numpy_helper

from hyperflow_export.commands.main import main
from hyperflow_export.errors import ExportError
from hyperflow_export.exporting import ExportOptions, ExportReport, export_bundle
from hyperflow_export.verification import verify_bundle
from hyperflow_runtime import open_bundle
from hyperflow_runtime.backends.onnxruntime import OnnxRuntimeBackend
from hyperflow_runtime.bundle.manifest import Limits, Precision
from hyperflow_runtime.bundle.reader import Bundle, read_bundle

LIMITS = Limits(max_batch=8, max_support=24, max_ways=6)
PRECISIONS: list[Precision] = ["fp32", "fp16", "int8"]


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def bundles(
    exported: ExportReport, checkpoint: Path, many_photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[Precision, Bundle]:
    """One bundle of each precision, of the same checkpoint."""
    folder = tmp_path_factory.mktemp("precisions")
    options = ExportOptions(checkpoint, folder / "a-fp16.hyperflow", images=many_photos, limits=LIMITS)
    int8 = replace(options, output=folder / "a-int8.hyperflow", calibration_images=many_photos, calibration_count=60)
    for chosen in (replace(options, precision="fp16"), replace(int8, precision="int8")):
        export_bundle(chosen)
    return {
        "fp32": read_bundle(exported.output),
        "fp16": read_bundle(folder / "a-fp16.hyperflow"),
        "int8": read_bundle(folder / "a-int8.hyperflow"),
    }


def test_a_bundle_says_its_precision_and_what_its_graphs_compute_in(bundles: dict[Precision, Bundle]) -> None:
    half, int8 = bundles["fp16"].manifest, bundles["int8"].manifest

    assert [(half.name, half.precision), (int8.name, int8.precision)] == [("tiny-fp16", "fp16"), ("tiny-int8", "int8")]
    assert [graph.graph for graph in half.arithmetic] == ["backbone.onnx", "adapt.onnx"]
    assert half.arithmetic[0].shares == {"fp32": 0.0, "fp16": 1.0, "int8": 0.0}
    assert int8.arithmetic[0].shares == {"fp32": 0.0, "fp16": 0.0, "int8": 1.0}
    assert int8.arithmetic[1].shares["fp16"] > 0.9  # the drift is never int8
    assert "60 images" in int8.arithmetic[0].calibration
    assert bundles["fp16"].adapt_onnx == bundles["int8"].adapt_onnx


def test_an_fp32_manifest_has_no_field_that_an_older_reader_would_refuse(bundles: dict[Precision, Bundle]) -> None:
    manifest = json.loads((bundles["fp32"].path / "manifest.json").read_text())

    assert "arithmetic" not in manifest
    assert manifest["schema"] == 1


def test_files_shrink_with_the_precision(bundles: dict[Precision, Bundle]) -> None:
    def weight_bytes(graph: bytes) -> int:
        return sum(len(tensor.raw_data) for tensor in onnx.load_from_string(graph).graph.initializer)

    full, half, int8 = (weight_bytes(bundles[precision].backbone_onnx) for precision in PRECISIONS)

    assert int8 < 0.75 * half
    assert half < 0.6 * full


def test_parity_is_stated_with_and_without_the_rounding_of_a_gpu(bundles: dict[Precision, Bundle]) -> None:
    for precision in ("fp16", "int8"):
        checks = {check.name: check for check in bundles[precision].manifest.parity}
        plain = [name for name in checks if not name.startswith("rounded ")]
        assert set(checks) == {*plain, *(f"rounded {name}" for name in plain)}
        assert all(check.passed for check in checks.values())
        assert checks["rounded real: adapted scores"].top1_agreement == pytest.approx(1.0, abs=0.1)
    half = {check.name: check for check in bundles["fp16"].manifest.parity}
    assert half["rounded random: features at theta_0"].max_abs > 1e-5  # it did round


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_precision_verifies_and_baking_changes_no_answer(
    precision: Precision, bundles: dict[Precision, Bundle]
) -> None:
    bundle = bundles[precision]
    backend = OnnxRuntimeBackend(bundle, n_threads=1)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((5, 3, 32, 32), dtype=np.float32)
    theta = bundle.theta_0 * rng.uniform(0.9, 1.1, bundle.theta_0.shape).astype(np.float32)

    features, baked = backend.encode(images, theta), backend.baked(theta).encode(images)
    backend.close()

    assert all(check.passed for check in verify_bundle(bundle))
    np.testing.assert_allclose(baked, features, atol=(1e-4 if precision == "fp32" else 2e-2) * np.abs(features).max())
    cosines = (baked * features).sum(1) / np.linalg.norm(baked, axis=1) / np.linalg.norm(features, axis=1)
    assert cosines.min() > 0.999


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("graph", ["backbone_onnx", "adapt_onnx"])
def test_one_wrong_weight_tensor_fails_under_the_tolerance_of_each_precision(
    precision: Precision, graph: str, bundles: dict[Precision, Bundle]
) -> None:
    bundle = bundles[precision]
    model = onnx.load_from_string(getattr(bundle, graph))
    product = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")][-1]
    name = product.input[1]
    maker = next((node for node in model.graph.node if name in node.output), None)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    tensor = tensors[name if maker is None else maker.input[1]]  # of int8 weights, the scales
    values = numpy_helper.to_array(tensor).copy()
    values[: max(len(values) // 2, 1)] *= values.dtype.type(-1.5)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    broken = {graph: model.SerializeToString()}

    checks = verify_bundle(replace(bundle, **broken))

    assert any(not check.passed for check in checks)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_session_learns_and_answers_in_each_precision(precision: Precision, bundles: dict[Precision, Bundle]) -> None:
    rng = np.random.default_rng(0)
    with open_bundle(bundles[precision].path, n_threads=1) as model:
        session = model.session()
        for label, level in (("dark", 40), ("bright", 210)):
            frames = [rng.normal(level, 10, (40, 48, 3)).clip(0, 255).astype(np.uint8) for _ in range(3)]
            session.add(label, frames)
        session.adapt()
        prediction = session.predict(np.full((40, 48, 3), 205, np.uint8), allow_unknown=False)

    assert prediction.best == "bright"


@pytest.mark.usefixtures("traced_before")
def test_the_command_names_the_folder_after_the_precision_and_prints_what_it_obtained(
    checkpoint: Path, many_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    half = _run("bundle", checkpoint, "--precision", "fp16")
    int8 = _run("bundle", checkpoint, "--precision", "int8", "--calibration-images", many_photos, "--json")
    shown = _run("inspect", "tiny-int8.hyperflow")
    verified = _run("verify", "tiny-int8.hyperflow")

    assert half.exit_code == 0, half.output
    assert int8.exit_code == 0, int8.output
    assert "tolerance of fp16: max 0.05 of the largest value" in " ".join(half.stdout.split())
    assert "backbone.onnx: 100.0% fp16 of the multiply-accumulates" in half.stdout
    assert "Next: hyperflow-export inspect tiny-fp16.hyperflow" in half.stdout
    result = json.loads(int8.stdout)
    assert (result["output"], result["precision"]) == ("tiny-int8.hyperflow", "int8")
    assert result["arithmetic"][0]["shares"]["int8"] == 1.0
    assert {check["name"].split(":")[0] for check in result["checks"]} >= {"random", "real", "rounded real"}
    assert "100.0% int8 of the multiply-accumulates" in " ".join(shown.stdout.split())
    assert "calibrated on 75 images" in " ".join(shown.stdout.split())
    assert verified.exit_code == 0, verified.output
    assert "tolerance of int8" in verified.stdout


@pytest.mark.usefixtures("traced_before")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "add --calibration-images DIR, .* or choose --precision fp16, which needs none"),
        ({"precision": "fp16", "calibration_images": "{many}"}, "--calibration-images is for int8, but .* is fp16"),
        ({"precision": "int8", "calibration_images": "{few}"}, "gives 15 images to calibrate on, at least 50"),
    ],
    ids=["no images", "images for nothing", "too few images"],
)
def test_what_cannot_be_calibrated_is_refused_and_nothing_is_written(
    options: dict[str, str], message: str, checkpoint: Path, photos: Path, many_photos: Path, tmp_path: Path
) -> None:
    places = {"{many}": many_photos, "{few}": photos}
    chosen = {name: places.get(value, value) for name, value in options.items()}

    with pytest.raises(ExportError, match=message):
        export_bundle(ExportOptions(checkpoint, tmp_path / "a.hyperflow", limits=LIMITS, **chosen))  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


def test_a_manifest_with_an_unknown_share_is_refused(bundles: dict[Precision, Bundle]) -> None:
    raw = msgspec.to_builtins(bundles["fp16"].manifest)
    raw["arithmetic"][0]["shares"]["int4"] = 1.0

    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 'int4'"):
        msgspec.convert(raw, type=type(bundles["fp16"].manifest))
