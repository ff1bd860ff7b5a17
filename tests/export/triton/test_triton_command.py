"""`hyperflow-export triton` as a user runs it."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hyperflow_export.commands.main import main
from hyperflow_runtime.bundle.reader import Bundle

WITHOUT_TORCH = """
import sys

for name in ("torch", "onnx", "onnxscript", "safetensors", "tritonclient", "google.protobuf"):
    sys.modules[name] = None
from hyperflow_export.commands.main import main

main(sys.argv[1:])
"""


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["triton", *map(str, arguments)])


def test_it_needs_no_torch_and_ends_with_the_next_command(tiny_bundle: Path, tmp_path: Path) -> None:
    repository = tmp_path / "my models"
    arguments = ["triton", tiny_bundle, "-o", repository, "--kind", "gpu", "--instances", "3"]

    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *arguments], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("tiny_backbone/1/model.onnx ")
    assert lines[0].endswith(" kB")
    assert f"Models: tiny_backbone and tiny_adapt, version 1, in {repository}" in lines
    assert shlex.split(lines[-1]) == ["Next:", "tritonserver", "--model-repository", str(repository)]
    docker = shlex.split(lines[-2])
    assert docker[:4] == ["In", "Docker:", "docker", "run"]
    assert ["--gpus", "all"] == docker[5:7]
    assert f"{repository}:/models:ro" in docker
    assert "count: 3 kind: KIND_GPU" in (repository / "tiny_adapt/config.pbtxt").read_text()


def test_json_holds_what_a_script_needs(bundle: Bundle, tiny_bundle: Path, tmp_path: Path) -> None:
    done = run(tiny_bundle, "-o", tmp_path / "models", "--name", "desk", "--version", 4, "--json")

    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert result["repository"] == str(tmp_path / "models")
    assert result["models"] == ["desk_backbone", "desk_adapt"]
    assert (result["version"], result["bundle_sha256"]) == (4, bundle.sha256)
    assert {"path": "desk_adapt/4/model.onnx", "size_bytes": len(bundle.adapt_onnx)} in result["files"]


def test_a_server_without_a_gpu_is_not_asked_for_one(tiny_bundle: Path, tmp_path: Path) -> None:
    assert "--gpus" not in run(tiny_bundle, "-o", tmp_path / "a", "--kind", "cpu").stdout
    assert "--gpus" not in run(tiny_bundle, "-o", tmp_path / "b").stdout
    assert "--gpus all" in run(tiny_bundle, "-o", tmp_path / "c", "--accelerator", "tensorrt").stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["{nowhere}", "-o", "{new}"], 1, "no bundle at"),
        (["{torn}", "-o", "{new}"], 1, "backbone.onnx was changed: its hash is not the one in manifest.json"),
        (["{bundle}", "-o", "{new}", "--name", "../desk"], 1, "'../desk' cannot name a model"),
        (["{bundle}", "-o", "{new}", "--kind", "cpu", "--accelerator", "tensorrt"], 1, "tensorrt runs on a GPU"),
        (["{bundle}", "-o", "{new}", "--engine-cache", "/cache"], 1, "name the accelerator too"),
        (["{bundle}", "-o", "{new}", "--version", "0"], 2, "0 is not in the range x>=1"),
        (["{bundle}", "-o", "{new}", "--instances", "0"], 2, "0 is not in the range x>=1"),
        (["{bundle}", "-o", "{new}", "--kind", "tpu"], 2, "'tpu' is not one of 'auto', 'cpu', 'gpu'"),
        (["{bundle}", "-o", "{file}"], 1, "file exists and is no folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_one_message_and_writes_nothing(
    arguments: list[str], exit_code: int, message: str, tiny_bundle: Path, bundle_copy: Path, tmp_path: Path
) -> None:
    data = bytearray((bundle_copy / "backbone.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (bundle_copy / "backbone.onnx").write_bytes(data)
    (tmp_path / "file").touch()
    places = {"bundle": tiny_bundle, "torn": bundle_copy, **{name: tmp_path / name for name in ("nowhere", "new")}}

    done = run(*(argument.format(**places, file=tmp_path / "file") for argument in arguments))

    assert done.exit_code == exit_code, done.output
    assert isinstance(done.exception, SystemExit)  # anything else would have been a traceback
    assert message in " ".join(done.stderr.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.hyperflow", "file"]


def test_an_existing_version_asks_for_force(tiny_bundle: Path, tmp_path: Path) -> None:
    assert run(tiny_bundle, "-o", tmp_path / "models").exit_code == 0

    again, forced = run(tiny_bundle, "-o", tmp_path / "models"), run(tiny_bundle, "-o", tmp_path / "models", "--force")

    assert again.exit_code == 1
    assert "add --force to replace it, or --version 2 to serve both" in " ".join(again.stderr.split())
    assert forced.exit_code == 0, forced.output
