"""The `hyperflow-export` command: from a checkpoint to a bundle, and what can be asked of one without torch."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from hyperflow_export import exporting, reference
from hyperflow_export.commands.main import main
from hyperflow_export.exporting import ExportReport
from hyperflow_runtime.bundle.reader import read_bundle

COMMANDS = ["bundle", "verify", "inspect", "benchmark"]
TORCH = ("torch", "onnx", "onnxscript", "safetensors")


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def _fails(result: Result, exit_code: int, message: str) -> None:
    assert result.exit_code == exit_code, result.output
    assert isinstance(result.exception, SystemExit)  # anything else would have been a traceback
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def _without(modules: tuple[str, ...], *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own where some modules cannot be imported."""
    script = (
        "import sys\n"
        f"for name in {modules!r}: sys.modules[name] = None\n"
        "from hyperflow_export.commands.main import main\n"
        "main(sys.argv[1:])\n"
    )
    return subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)


def _edit_reference(bundle: Path, edit: Callable[[dict[str, NDArray[np.float32]]], object]) -> None:
    """Change the reference data, and the manifest's hash with it."""
    with np.load(bundle / "reference.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    edit(arrays)
    np.savez_compressed(bundle / "reference.npz", allow_pickle=False, **arrays)
    data = (bundle / "reference.npz").read_bytes()
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["files"]["reference.npz"] = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_a_bundle_is_exported_with_nothing_but_json_on_stdout(
    checkpoint: Path, photos: Path, bundle_copy: Path, exported: ExportReport, capfd: pytest.CaptureFixture[str]
) -> None:
    limits = ["--max-batch", "8", "--max-support", "24", "--max-ways", "6"]

    done = _run("bundle", checkpoint, "-o", bundle_copy, "--images", photos, *limits, "--json", "--force")

    assert done.exit_code == 0, done.output
    assert capfd.readouterr().out == ""  # what libraries print past Python's own stdout
    result = json.loads(done.stdout)
    assert result["output"] == str(bundle_copy)
    assert [stage["name"] for stage in result["stages"]] == [stage.name for stage in exported.stages]
    assert len(result["checks"]) == 15
    assert all(check["passed"] for check in result["checks"])
    bundle, before = read_bundle(bundle_copy), read_bundle(exported.output)
    assert bundle.adapt_onnx == before.adapt_onnx  # tracing twice gives the same bytes
    assert bundle.backbone_onnx == before.backbone_onnx
    assert [path.name for path in bundle_copy.parent.iterdir()] == ["copy.hyperflow"]


@pytest.mark.usefixtures("traced_before")
def test_a_bundle_is_named_after_its_model_and_its_parity_is_shown(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = _run("bundle", checkpoint)

    assert result.exit_code == 0, result.output
    assert read_bundle(tmp_path / "tiny.hyperflow").manifest.name == "tiny"
    assert result.stdout.count("pass") == 9
    assert "trace backbone.onnx" in result.stdout
    assert "Next: hyperflow-export inspect tiny.hyperflow" in result.stdout


@pytest.mark.usefixtures("traced_before")
def test_a_bundle_that_fails_its_parity_check_exits_with_1_and_is_not_written(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = reference.reference_arrays
    monkeypatch.setattr(
        exporting, "reference_arrays", lambda *args: {name: value + 1 for name, value in compute(*args).items()}
    )

    result = _run("bundle", checkpoint, "-o", tmp_path / "a.hyperflow")

    _fails(result, 1, "comparisons with torch failed, first 'random: features at theta_0'")
    assert "nothing was written" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["bundle", "{checkpoint}", "-o", "{bundle}"], 1, "copy.hyperflow exists; add --force to replace it"),
        (["bundle", "{checkpoint}", "-o", "{empty}", "--force"], 1, "exists and is no bundle, so it is left alone"),
        (["bundle", "{empty}", "-o", "{new}"], 1, "no checkpoint at"),
        (["bundle", "{empty}"], 1, "no checkpoint at"),
        (["bundle", "{nowhere}"], 2, "does not exist"),
        (["bundle", "{checkpoint}", "-o", "{new}", "--max-ways", "1"], 2, "1 is not in the range 2<=x<=4096"),
        (["bundle", "{checkpoint}", "-o", "{new}", "--seed", "-1"], 2, "-1 is not in the range x>=0"),
        (["verify", "{nowhere}"], 1, "no bundle at"),
        (["verify", "{empty}"], 1, "manifest.json cannot be read"),
        (["verify", "{changed}"], 1, "backbone.onnx was changed: its hash is not the one in manifest.json"),
        (["inspect", "{nowhere}", "--json"], 1, "no bundle at"),
        (["inspect", "{changed}"], 1, "was changed: its hash"),
        (["benchmark", "{changed}"], 1, "was changed: its hash"),
        (["benchmark", "{bundle}", "--batch", "0"], 2, "0 is not in the range x>=1"),
        (["benchmark", "{bundle}", "--n-way", "1"], 2, "1 is not in the range x>=2"),
        (["compile"], 2, "No such command 'compile'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_one_message_and_an_exit_code(
    arguments: list[str], exit_code: int, message: str, checkpoint: Path, bundle_copy: Path, tmp_path: Path
) -> None:
    places = {name: tmp_path / name for name in ("new", "nowhere", "empty")}
    places["empty"].mkdir()
    places |= {"checkpoint": checkpoint, "bundle": bundle_copy, "changed": bundle_copy}
    if "{changed}" in arguments:
        data = bytearray((bundle_copy / "backbone.onnx").read_bytes())
        data[len(data) // 2] ^= 1
        (bundle_copy / "backbone.onnx").write_bytes(data)

    _fails(_run(*(argument.format(**places) for argument in arguments)), exit_code, message)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.hyperflow", "empty"]


def test_verifying_passes_where_there_is_no_torch(tiny_bundle: Path) -> None:
    table, plain = _without(TORCH, "verify", tiny_bundle), _without(TORCH, "verify", tiny_bundle, "--json")

    assert (table.returncode, table.stderr) == (0, "")
    assert f"{tiny_bundle}: every comparison passed" in table.stdout
    assert (plain.returncode, plain.stderr) == (0, "")
    result = json.loads(plain.stdout)
    assert (result["bundle"], result["passed"], len(result["checks"])) == (str(tiny_bundle), True, 9)


def test_verifying_a_bundle_whose_reference_disagrees_exits_with_1(bundle_copy: Path) -> None:
    def expect_another_feature(arrays: dict[str, NDArray[np.float32]]) -> None:
        arrays["random.features"][0, 0] += 1.0

    _edit_reference(bundle_copy, expect_another_feature)

    table, plain = _run("verify", bundle_copy), _run("verify", bundle_copy, "--json")

    assert (table.exit_code, plain.exit_code) == (1, 1)
    assert table.stdout.count("FAIL") == 2
    assert f"{bundle_copy}: DIFFERS from the bundle's reference data" in table.stdout
    result = json.loads(plain.stdout)
    failed = [check["name"] for check in result["checks"] if not check["passed"]]
    assert not result["passed"]
    assert failed == ["random: adapted features", "random: adapted features, baked"]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda arrays: arrays.pop("random.theta"), "reference.npz is not whole ('theta'); export the bundle again"),
        (lambda arrays: arrays.clear(), "reference.npz is empty; export the bundle again"),
    ],
    ids=["one array missing", "empty"],
)
def test_a_reference_that_is_not_whole_is_refused(
    edit: Callable[[dict[str, NDArray[np.float32]]], object], message: str, bundle_copy: Path
) -> None:
    _edit_reference(bundle_copy, edit)

    _fails(_run("verify", bundle_copy), 1, message)


def test_inspecting_shows_the_manifest_where_there_is_no_torch(tiny_bundle: Path) -> None:
    table, plain = _without(TORCH, "inspect", tiny_bundle), _without(TORCH, "inspect", tiny_bundle, "--json")

    assert (table.returncode, table.stderr) == (0, "")
    for fact in ("32 x 32 px, centre_crop, rgb", "144 numbers in 12 tensors", "9 of 9 comparisons passed"):
        assert fact in table.stdout
    shown = json.loads(plain.stdout)
    assert shown.pop("sha256") == hashlib.sha256((tiny_bundle / "manifest.json").read_bytes()).hexdigest()
    assert shown == json.loads((tiny_bundle / "manifest.json").read_text())


def test_a_benchmark_times_every_stage_where_there_is_no_torch(tiny_bundle: Path) -> None:
    options = ["--batch", "2", "--n-way", "3", "--n-shot", "2", "--repetitions", "5", "--threads", "1"]

    table = _run("benchmark", tiny_bundle, *options)
    plain = _without(TORCH, "benchmark", tiny_bundle, *options, "--json")

    assert table.exit_code == 0, table.output
    assert "theta as input / theta constant: " in table.stdout
    assert (plain.returncode, plain.stderr) == (0, "")
    result = json.loads(plain.stdout)
    assert (result["batch"], result["n_way"], result["n_shot"]) == (2, 3, 2)
    stages = ["backbone, theta as input", "backbone, theta constant", "drift, 2 steps"]
    assert [stage["name"] for stage in result["stages"]] == stages
    assert all(0 < stage["p50_ms"] <= stage["p95_ms"] <= stage["p99_ms"] for stage in result["stages"])
    assert result["theta_input_ratio"] == pytest.approx(result["stages"][0]["p50_ms"] / result["stages"][1]["p50_ms"])


@pytest.mark.parametrize("arguments", [["--help"], *([command, "-h"] for command in COMMANDS)], ids=" ".join)
def test_help_shows_an_example_and_needs_neither_torch_nor_onnx(arguments: list[str]) -> None:
    done = _without((*TORCH, "onnxruntime"), *arguments)

    assert (done.returncode, done.stderr) == (0, "")
    example = done.stdout.partition("Example:")[2].split("\n")[1]
    assert example.strip().startswith(f"hyperflow-export {'' if len(arguments) == 1 else arguments[0]}")


@pytest.mark.parametrize("missing", ["torch", "onnx"])
def test_what_exporting_needs_and_is_not_installed_is_named(missing: str, checkpoint: Path) -> None:
    done = _without((missing,), "bundle", checkpoint)

    assert done.returncode == 1
    assert done.stderr == f"Error: {missing} is not installed; pip install 'hyperflow[export]'\n"
