"""`hyperflow-export engine` and `verify --backend tensorrt` on a device, as a user meets them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from stand_in import StandIn

from hyperflow_export.commands.main import main
from hyperflow_runtime import open_bundle
from hyperflow_runtime.engines.cache import EngineCache

NEWEST = pytest.mark.parametrize("version", ["11.4"])


def _run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def _json(*words: object, exit_code: int = 0) -> dict[str, Any]:
    done = _run(*words, "--json")
    assert done.exit_code == exit_code, done.output
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _fails(done: Result, *sentences: str) -> None:
    said = " ".join(done.stderr.split())
    assert done.exit_code == 1, done.output
    assert [sentence for sentence in sentences if sentence not in said] == [], said
    assert "Traceback" not in done.output


@pytest.fixture
def miscompiles(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT whose engines are wrong for a single image, as some were."""
    context = stand_in.tensorrt.IExecutionContext
    execute = context.execute_async_v3

    def execute_wrongly(shown: Any, stream_handle: int) -> bool:
        done = bool(execute(shown, stream_handle))
        names = [shown.engine.get_tensor_name(index) for index in range(shown.engine.num_io_tensors)]
        if "images" in names and shown.get_tensor_shape("features")[0] == 1:
            machine = stand_in._machine
            address = shown.get_tensor_address("features")

            def spoil() -> None:
                machine.memory.view(address, 64, "features")[:] = 0

            machine.queues.find(stream_handle, "spoiling").put(spoil)
        return done

    monkeypatch.setattr(context, "execute_async_v3", execute_wrongly)


def test_engines_are_built_compared_and_used(stand_in: StandIn, tiny_bundle: Path, tmp_path: Path) -> None:
    done = _run("engine", tiny_bundle, "--cache", tmp_path / "engines")

    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    version = stand_in.tensorrt.__version__
    assert lines[0] == f"{tiny_bundle} (fp32), TensorRT {version} for Orin (nvgpu) (8.7, 8 SMs)"
    for graph in ("backbone", "adapt"):
        line = next(line for line in lines if line.startswith(f"{graph}.onnx"))
        assert "built in" in line
        assert " fp32 layers" in line
    assert lines[-2] == "every comparison passed; the runtime uses the engines."
    assert lines[-1].startswith(f"Next: hyperflow-runtime benchmark {tiny_bundle} --backend tensorrt")
    with open_bundle(tiny_bundle, engine_cache=tmp_path / "engines") as model:
        assert model.backend == f"TensorRT {version} (Orin (nvgpu))"


def test_a_second_run_finds_engines_that_were_compared(stand_in: StandIn, tiny_bundle: Path, tmp_path: Path) -> None:
    first = _json("engine", tiny_bundle, "--cache", tmp_path)
    n_engines = stand_in.ledger.n_made("engine")

    second = _json("engine", tiny_bundle, "--cache", tmp_path)

    assert (first["passed"], second["passed"], second["checks"]) == (True, True, None)
    assert all(check["passed"] for check in first["checks"])
    assert [engine["was_built"] for engine in first["engines"] + second["engines"]] == [True, True, False, False]
    assert [engine["reason"] for engine in second["engines"]] == ["", ""]
    for engine in first["engines"]:
        assert engine["record"]["self_test"]["passed"] is True
    assert stand_in.ledger.n_made("engine") == n_engines
    said = _run("engine", tiny_bundle, "--cache", tmp_path).stdout
    assert "compared before, with this bundle on this GPU; the runtime uses the engines." in said


@NEWEST
def test_another_version_is_given_as_the_reason_of_a_new_build(
    stand_in: StandIn, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _json("engine", tiny_bundle, "--cache", tmp_path)["engines"][0]["record"]["key"]["library_version"]
    monkeypatch.setattr(stand_in.tensorrt, "__version__", "11.4.1.7")

    done = _run("engine", tiny_bundle, "--cache", tmp_path)

    assert done.exit_code == 0, done.output
    assert done.stdout.count(f"because library version {before} -> 11.4.1.7") == 2


def test_engines_that_give_other_results_are_refused(
    stand_in: StandIn, miscompiles: None, tiny_bundle: Path, tmp_path: Path
) -> None:
    found = _json("engine", tiny_bundle, "--cache", tmp_path, exit_code=1)

    assert found["passed"] is False
    assert {check["name"] for check in found["checks"] if not check["passed"]} == {
        f"onnxruntime: features of 1 images at {which}" for which in ("theta_0", "an adapted theta")
    }
    assert [record.self_test and record.self_test.passed for record in EngineCache(tmp_path).records()] == [False] * 2
    with open_bundle(tiny_bundle, engine_cache=tmp_path) as model:
        assert model.backend == "onnxruntime (CPU)"
        assert "gave other results than the bundle's reference data" in model.notes[0]
    said = _run("engine", tiny_bundle, "--cache", tmp_path)
    assert said.exit_code == 1
    assert "The results DIFFER, so the runtime refuses these engines" in " ".join(said.stdout.split())


def test_verifying_compares_and_notes_the_verdict(stand_in: StandIn, tiny_bundle: Path, tmp_path: Path) -> None:
    built = _json("engine", tiny_bundle, "--cache", tmp_path, "--no-self-test")
    assert (built["passed"], built["checks"]) == (None, None)

    found = _json("verify", tiny_bundle, "--backend", "tensorrt", "--cache", tmp_path)

    assert found["passed"] is True
    assert found["backend"] == f"TensorRT {stand_in.tensorrt.__version__} (Orin (nvgpu))"
    names = [check["name"] for check in found["checks"]]
    assert "random: features at theta_0" in names
    assert "onnxruntime: features of 5 images at an adapted theta" in names
    assert all(record.self_test and record.self_test.passed for record in EngineCache(tmp_path).records())
    assert _json("engine", tiny_bundle, "--cache", tmp_path)["passed"] is True


def test_verifying_says_what_differs_and_takes_the_verdict_back(
    stand_in: StandIn, tiny_bundle: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    assert _json("engine", tiny_bundle, "--cache", tmp_path)["passed"] is True
    request.getfixturevalue("miscompiles")

    done = _run("verify", tiny_bundle, "--backend", "tensorrt", "--cache", tmp_path)

    assert done.exit_code == 1
    assert f"{tiny_bundle}: DIFFERS from the reference data and onnxruntime" in done.stdout
    assert not any(record.self_test and record.self_test.passed for record in EngineCache(tmp_path).records())


@NEWEST
def test_verifying_without_engines_says_how_to_get_them(stand_in: StandIn, tiny_bundle: Path, tmp_path: Path) -> None:
    _fails(
        _run("verify", tiny_bundle, "--backend", "tensorrt", "--cache", tmp_path),
        f"no engine of {tiny_bundle}/backbone.onnx for TensorRT", f"hyperflow-export engine {tiny_bundle}",
    )  # fmt: skip


@NEWEST
@pytest.mark.parametrize(("fault", "reason", "sentence"), [
    ("build", "Error Code 1: OutOfMemory (no further information)", "cannot build backbone.onnx"),
    ("deserialise", "Error Code 1: OutOfMemory (no further information)", "cannot read its own engine"),
    ("execution_context", "Error Code 2: OutOfMemory (Requested size was 1048576 bytes.)", "no execution context"),
    ("execute", "Error Code 1: Cuda Runtime (unspecified launch failure)", "a run on inputs"),
])  # fmt: skip
def test_what_fails_on_the_gpu_is_one_error_and_no_verdict(
    stand_in: StandIn, tiny_bundle: Path, tmp_path: Path, fault: str, reason: str, sentence: str
) -> None:
    setattr(stand_in.faults, fault, reason)

    _fails(_run("engine", tiny_bundle, "--cache", tmp_path), sentence, reason)

    assert all(record.self_test is None for record in EngineCache(tmp_path).records())


@NEWEST
def test_a_device_without_pycuda_or_gpu_is_told_so(
    stand_in: StandIn, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in.faults.no_driver = True
    _fails(_run("engine", tiny_bundle, "--cache", tmp_path), "CUDA cannot be started", "is there an NVIDIA GPU")
    _fails(_run("engine", tiny_bundle, "--cache", tmp_path, "--device", "1"), "CUDA cannot be started")
    stand_in.faults.no_driver = False
    _fails(_run("engine", tiny_bundle, "--cache", tmp_path, "--device", "1"), "no CUDA device 1: CUDA shows 1")
    monkeypatch.setitem(sys.modules, "pycuda.driver", None)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    _fails(_run("engine", tiny_bundle, "--cache", tmp_path), "pycuda is not installed", "pip install pycuda")
    assert list(tmp_path.iterdir()) == []
