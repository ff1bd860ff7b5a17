"""The `hyperflow-runtime` command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hyperflow_runtime.commands.main import main

RunPython = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ["--n-way", "2", "--n-shot", "2", "--frame", "64x48", "--repetitions", "3", "--warm-up", "1", "--threads", "1"]

WITHOUT = """
import sys

for name in sys.argv[1].split():
    sys.modules[name] = None
from hyperflow_runtime.commands.main import main

main(sys.argv[2:])
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def fails(result: Result, exit_code: int, message: str) -> None:
    assert result.exit_code == exit_code, result.output
    assert isinstance(result.exception, SystemExit)  # anything else would have been a traceback
    assert message in " ".join(result.stderr.split())


@pytest.fixture
def references(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A folder with a result of this machine in which every stage took very long."""
    folder = tmp_path / "references"
    done = run("benchmark", tiny_bundle, *QUICK, "--store", folder)
    assert done.exit_code == 0, done.output
    change_medians(folder, 1e6)
    return folder


def change_medians(folder: Path, median_ms: float) -> None:
    (file,) = folder.glob("*/*.json")
    result = json.loads(file.read_text())
    for stage in result["stages"]:
        stage["p50_ms"] = median_ms
    file.write_text(json.dumps(result))


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "-h"], ["benchmark", "-h"]], ids=" ".join)
def test_help_shows_an_example_and_loads_no_backend(arguments: list[str], run_python: RunPython) -> None:
    done = run_python(WITHOUT, "onnxruntime torch rich hyperflow hyperflow_export", *arguments)

    assert (done.returncode, done.stderr) == (0, "")
    example = done.stdout.partition("Example:")[2].split("\n")[1]
    assert example.strip().startswith(f"hyperflow-runtime {'' if len(arguments) == 1 else arguments[0]}")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "hyperflow_runtime", "--help"], capture_output=True, text=True)

    assert done.returncode == 0
    assert done.stdout.startswith("Usage: hyperflow-runtime [OPTIONS]")


def test_a_benchmark_is_a_table_with_the_conditions(tiny_bundle: Path) -> None:
    done = run("benchmark", tiny_bundle, *QUICK)

    assert done.exit_code == 0, done.output
    assert "tiny: onnxruntime (CPU), 2-way 2-shot, frames of 64 x 48 px, milliseconds" in done.stdout
    for stage in ("encode, batch 1", "encode, batch 4", "drift", "adapt", "predict", "shutter to ready"):
        assert stage in done.stdout


def test_a_benchmark_prints_nothing_but_json_where_asked(tiny_bundle: Path) -> None:
    done = run("benchmark", tiny_bundle, *QUICK, "--backend", "onnxruntime", "--json", "-")

    assert done.exit_code == 0
    result = json.loads(done.stdout)
    assert result["settings"]["n_threads"] == 1
    assert len(result["stages"]) == 7
    assert "load_average" in result["conditions"]


def test_a_result_that_is_not_slower_passes(references: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    done = run("benchmark", tiny_bundle, *QUICK, "--compare", references, "--json", tmp_path / "new/a.json")

    assert done.exit_code == 0, done.output
    assert "no stage is slower than stored (tolerance 1.3x)" in done.stdout
    assert json.loads((tmp_path / "new/a.json").read_text())["bundle"]["name"] == "tiny"


def test_a_slower_stage_exits_with_1_and_the_result_is_kept(references: Path, tiny_bundle: Path) -> None:
    change_medians(references, 1e-6)
    (file,) = references.glob("*/*.json")

    done = run("benchmark", tiny_bundle, *QUICK, "--compare", file, "--store", references)

    assert done.exit_code == 1
    assert "SLOWER than stored: encode, batch 1, encode, batch 4, drift" in done.stdout
    assert json.loads(file.read_text())["stages"][0]["p50_ms"] > 1e-6


def test_another_shape_is_compared_only_when_told(references: Path, tiny_bundle: Path) -> None:
    other = [*QUICK, "--n-shot", "3", "--compare", references]

    refused, told = run("benchmark", tiny_bundle, *other), run("benchmark", tiny_bundle, *other, "--compare-any")

    fails(refused, 1, "is not to be compared with this run (shape 2-way 2-shot, batch 4, 64x48 px -> 2-way 3-shot")
    assert "add --compare-any" in refused.stderr
    assert told.exit_code == 0, told.output
    assert "differs: shape 2-way 2-shot" in " ".join(told.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["benchmark", "{nowhere}"], 1, "no bundle at"),
        (["benchmark", "{bundle}", "--n-way", "1"], 2, "1 is not in the range x>=2"),
        (["benchmark", "{bundle}", "--frame", "640"], 2, "expected WIDTHxHEIGHT in pixels, such as 640x480, got '640'"),
        (["benchmark", "{bundle}", "--tolerance", "0"], 2, "0.0 is not in the range x>0"),
        (["benchmark", "{bundle}", "--compare", "{nowhere}"], 2, "does not exist"),
        (["benchmark", "{bundle}", "--compare", "{bundle}/manifest.json"], 1, "is no result of hyperflow-runtime"),
        (["benchmark", "{bundle}", *QUICK, "--compare", "{empty}"], 1, "no stored result at"),
        (["cure"], 2, "No such command 'cure'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_one_message_and_an_exit_code(
    arguments: list[str], exit_code: int, message: str, tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"nowhere": tmp_path / "nowhere", "empty": tmp_path / "empty", "bundle": tiny_bundle}

    fails(run(*(argument.format(**places) for argument in arguments)), exit_code, message)


def test_a_bundle_that_does_not_run_is_not_usable(bundle_copy: Path, tmp_path: Path) -> None:
    (bundle_copy / "adapt.onnx").unlink()

    done = run("doctor", "--bundle", bundle_copy, "--engine-cache", tmp_path / "cache")

    assert done.exit_code == 1
    assert "adapt.onnx is missing" in " ".join(done.stdout.split())
    assert "NOT USABLE: no backend runs here; 1 problem" in done.stdout


def test_the_doctor_prints_nothing_but_json_where_asked(tiny_bundle: Path, tmp_path: Path) -> None:
    done = run("doctor", "--bundle", tiny_bundle, "--engine-cache", tmp_path / "cache", "--json")

    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["usable"]
    assert "onnxruntime" in result["backends"]
    titles = [subject["title"] for subject in result["subjects"]]
    assert titles == ["Python", "Inference", "CUDA", "Board", "Memory", "Engines", "OpenCV", "Cameras", "Bundle"]
    findings = [finding for subject in result["subjects"] for finding in subject["findings"]]
    assert all((finding["status"] == "ok") == (finding["advice"] is None) for finding in findings)


def test_a_device_where_no_backend_runs_is_not_usable(run_python: RunPython, tmp_path: Path) -> None:
    for name in ("onnxruntime", "tensorrt", "tensorrt_rtx"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('some library: wrong ELF class')")
    script = WITHOUT.replace("import sys\n", "import sys\n\nsys.path.insert(0, sys.argv.pop(1))\n", 1)

    done = run_python(script, tmp_path, "", "doctor", "--engine-cache", tmp_path / "cache")

    assert done.returncode == 1
    assert "does not run (onnxruntime is not installed (some library: wrong" in " ".join(done.stdout.split())
    assert done.stdout.splitlines()[-1].startswith("NOT USABLE: no backend runs here; ")
