"""`hyperflow-export engine`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hyperflow_export.engine.target import Target
from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache

RUN = """
import sys

for name in sys.argv[1].split(","):
    sys.modules[name] = None
from hyperflow_export.commands.main import main
main(sys.argv[2:])
"""
NOT_ON_A_DEVICE = "torch,onnx,onnxscript,safetensors"
AHEAD = ("--target", "rtx", "--compute-capability", "86,89")


def run(*words: object, missing: str = NOT_ON_A_DEVICE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, missing, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def fails(done: subprocess.CompletedProcess[str], code: int, *sentences: str) -> None:
    assert done.returncode == code, done.stderr
    said = " ".join(done.stderr.split())
    assert [sentence for sentence in sentences if sentence not in said] == [], said
    assert "Traceback" not in said


@pytest.mark.tensorrt
def test_engines_are_built_ahead_where_there_is_neither_torch_nor_onnx(
    tiny_bundle: Path, target: Target, tmp_path: Path
) -> None:
    done = run("engine", tiny_bundle, *AHEAD, "--cache", tmp_path / "engines")

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{tiny_bundle} (fp32), {target.library} for compute capability 8.6, 8.9"
    for graph, products in (("backbone", 6), ("adapt", 35)):
        line = next(line for line in lines if line.startswith(f"{graph}.onnx"))
        assert "built in" in line
        assert " MB " in line
        assert f"{products} fp32 products" in line
    assert "The runtime refuses the engines until they are." in lines[-2]
    assert lines[-1].endswith(f"hyperflow-export verify {tiny_bundle} --backend tensorrt --cache {tmp_path}/engines")
    assert done.stderr == ""
    again = run("engine", tiny_bundle, *AHEAD, "--cache", tmp_path / "engines")
    assert again.stdout.count("in the cache") == 2


@pytest.mark.tensorrt
def test_json_is_all_that_is_printed(tiny_bundle: Path, target: Target, tmp_path: Path) -> None:
    done = run("engine", tiny_bundle, *AHEAD, "--cache", tmp_path, "--json")

    result = json.loads(done.stdout)
    assert done.stderr == ""
    assert (result["passed"], result["checks"]) == (None, None)
    for engine, graph in zip(result["engines"], ("backbone", "adapt"), strict=True):
        record = engine["record"]
        assert record["key"]["graph"] == graph
        assert record["key"]["compute_capabilities"] == ["8.6", "8.9"]
        assert Path(engine["path"]).stat().st_size == record["size_bytes"]
        assert engine["reason"] == f"no engine of {graph}.onnx in {tmp_path}"


@pytest.mark.tensorrt
def test_a_dry_run_says_what_and_why_and_builds_nothing(tiny_bundle: Path, target: Target, tmp_path: Path) -> None:
    cache = tmp_path / "engines"
    done = run("engine", tiny_bundle, *AHEAD, "--cache", cache, "--dry-run")

    assert done.returncode == 0, done.stderr
    assert f"backbone.onnx  would be built: no engine of backbone.onnx in {cache}" in done.stdout
    assert "profile 1: images 1x3x32x32 .. 8x3x32x32 (usually 8x3x32x32)" in done.stdout
    assert not cache.exists()
    assert run("engine", tiny_bundle, *AHEAD, "--cache", cache).returncode == 0
    planned = json.loads(run("engine", tiny_bundle, *AHEAD, "--cache", cache, "--dry-run", "--json").stdout)["plans"]
    assert [plan["is_cached"] for plan in planned] == [True, True]
    other = run("engine", tiny_bundle, *AHEAD, "--cache", cache, "--dry-run", "--workspace-mib", "256")
    assert other.stdout.count("would be built: workspace mib 512 -> 256") == 2


@pytest.mark.tensorrt
def test_engines_are_listed_where_there_is_no_tensorrt(tiny_bundle: Path, target: Target, tmp_path: Path) -> None:
    missing = f"{NOT_ON_A_DEVICE},tensorrt,tensorrt_rtx"
    empty = run("engine", tiny_bundle, "--cache", tmp_path, "--list", missing=missing)
    assert empty.stdout.splitlines()[-1] == f"Next: hyperflow-export engine {tiny_bundle} --cache {tmp_path}"
    run("engine", tiny_bundle, *AHEAD, "--cache", tmp_path)

    listed = run("engine", tiny_bundle, "--cache", tmp_path, "--list", "--json", missing=missing)

    assert listed.returncode == 0, listed.stderr
    assert {record["key"]["graph"] for record in json.loads(listed.stdout)["engines"]} == {"adapt", "backbone"}
    table = run("engine", tiny_bundle, "--cache", tmp_path, "--list", missing=missing).stdout
    assert "none yet" in table
    assert "35 fp32" in " ".join(table.split())


@pytest.mark.tensorrt
def test_a_cache_that_cannot_be_written_is_named(tiny_bundle: Path, target: Target, tmp_path: Path) -> None:
    (tmp_path / "engines").write_bytes(b"")

    fails(
        run("engine", tiny_bundle, *AHEAD, "--cache", tmp_path / "engines"), 1,
        f"the engine cache {tmp_path}/engines cannot be written", "HYPERFLOW_ENGINE_CACHE",
    )  # fmt: skip


@pytest.mark.tensorrt
@pytest.mark.parametrize(("words", "sentence"), [
    (("--compute-capability", "87"), "builds for no compute capability '87'; it knows 75, 80, 86, 89, 120, 121"),
    ((*AHEAD[2:], "--workspace-mib", "1"), "workspace_mib must be 16..65536, got 1; 512 does for small boards"),
    ((*AHEAD[2:], "--opt-level", "9"), "optimisation_level must be 0..5, got 9"),
])  # fmt: skip
def test_values_out_of_range_are_refused(
    tiny_bundle: Path, target: Target, words: tuple[str, ...], sentence: str
) -> None:
    fails(run("engine", tiny_bundle, "--target", "rtx", *words), 1, sentence)


@pytest.mark.parametrize(("words", "sentence"), [
    (("--compute-capability", "86"), "--compute-capability 86 is for --target rtx"),
    (("--target", "rtx"), "--target rtx needs --compute-capability, such as 86,89,120"),
    ((*AHEAD, "--library", "tensorrt"), "--target rtx is built by tensorrt_rtx alone; leave --library out"),
    (("--target", "tpu"), "'tpu' is not one of 'device', 'rtx'"),
])  # fmt: skip
def test_options_that_do_not_go_together_are_refused(tiny_bundle: Path, words: tuple[str, ...], sentence: str) -> None:
    fails(run("engine", tiny_bundle, *words), 2, sentence)


def test_no_tensorrt_is_said_with_where_it_comes_from(tiny_bundle: Path) -> None:
    missing = f"{NOT_ON_A_DEVICE},tensorrt,tensorrt_rtx"

    fails(run("engine", tiny_bundle, missing=missing), 1, "TensorRT is not installed", "it comes with JetPack")
    fails(run("engine", tiny_bundle, *AHEAD, missing=missing), 1, "pip install tensorrt-rtx-cu13")


def test_a_bundle_that_was_changed_is_built_by_nobody(bundle_copy: Path) -> None:
    (bundle_copy / "adapt.onnx").write_bytes(b"")

    fails(run("engine", bundle_copy, *AHEAD), 1, "adapt.onnx has 0 bytes, expected")


def test_verifying_engines_needs_tensorrt_and_a_gpu(tiny_bundle: Path, tmp_path: Path) -> None:
    missing = f"{NOT_ON_A_DEVICE},tensorrt,tensorrt_rtx,pycuda"

    done = run("verify", tiny_bundle, "--backend", "tensorrt", "--cache", tmp_path, missing=missing)

    fails(done, 1, "not installed")


@pytest.mark.tensorrt
def test_what_was_built_ahead_is_a_plan_of_the_bundle(
    tiny_bundle: Path, bundle: Bundle, target: Target, tmp_path: Path
) -> None:
    run("engine", tiny_bundle, *AHEAD, "--cache", tmp_path)

    cache = EngineCache(tmp_path)
    for record in cache.records():
        assert cache.read_plan(record)[:4] == b"vtrt"
        assert record.bundle_name == bundle.manifest.name
