"""Probes in real processes: libraries that are there, that are not, that raise, crash, hang or talk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from hyperflow_runtime.doctor.bundle import examine_bundle
from hyperflow_runtime.doctor.facts import BundleFacts, LibraryFacts, OpenCvFacts
from hyperflow_runtime.doctor.probing import probe


@pytest.fixture
def module_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that Python searches first, in this process and in those of probes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_onnxruntime_is_loaded_and_runs_a_graph() -> None:
    found = probe("onnxruntime", LibraryFacts)

    assert found.failure == ""
    assert found.facts is not None
    assert found.facts.version == onnxruntime.__version__
    assert "CPUExecutionProvider" in found.facts.details
    assert Path(found.facts.location) == Path(onnxruntime.__file__)


def test_the_graph_of_one_node_is_valid_and_copies() -> None:
    onnx = pytest.importorskip("onnx")
    from hyperflow_runtime.backends.onnxruntime import _SMALLEST_GRAPH

    onnx.checker.check_model(onnx.load_from_string(_SMALLEST_GRAPH))
    session = onnxruntime.InferenceSession(_SMALLEST_GRAPH, providers=["CPUExecutionProvider"])

    assert session.run(None, {"x": np.array([3.5], np.float32)})[0].tolist() == [3.5]


def test_a_library_that_is_found_first_is_the_one_that_is_reported(module_folder: Path) -> None:
    (module_folder / "cv2.py").write_text(
        "__version__ = '4.5.4'\n"
        "print('a library that talks')\n"
        "def getBuildInformation(): return '  Video I/O:\\n    GStreamer:                   YES (1.20.3)\\n'\n"
    )

    found = probe("opencv", OpenCvFacts)

    assert found.facts == OpenCvFacts("4.5.4", str(module_folder / "cv2.py"), True)


@pytest.mark.parametrize(
    ("source", "failure", "is_missing"),
    [
        ("import os; os.kill(os.getpid(), 4)", "ended by SIGILL: nothing said", False),
        ("import os; os._exit(7)", "exit code 7: nothing said", False),
        ("raise ImportError('libGL.so.1: cannot open')", "libGL.so.1: cannot open", False),
        ("import no_such_module", "No module named 'no_such_module'", True),
        ("raise ValueError", "ValueError", False),
        ("__version__ = '1'", "module 'cv2' has no attribute 'getBuildInformation'", False),
        ("import time; time.sleep(60)", "no answer within 3 s", False),
        ("import os; os.write(1, b'x' * 100000); os._exit(0)", "it says 'xxx", False),
    ],
    ids=["crash", "exit", "missing library", "missing module", "wordless", "torn", "hang", "garbage"],
)
def test_a_broken_library_ends_its_own_process_only(
    source: str, failure: str, is_missing: bool, module_folder: Path
) -> None:
    (module_folder / "cv2.py").write_text(source)

    found = probe("opencv", OpenCvFacts, timeout_s=3.0 if "sleep" in source else 60.0)

    assert found.facts is None
    assert found.failure.startswith(failure)
    assert found.is_missing is is_missing


def test_a_broken_tensorrt_is_told_apart_from_a_missing_one(module_folder: Path) -> None:
    (module_folder / "tensorrt.py").write_text("raise OSError('libnvinfer.so.10: cannot open shared object file')")
    broken = probe("tensorrt", LibraryFacts)
    (module_folder / "tensorrt.py").write_text("raise ModuleNotFoundError(\"No module named 'tensorrt'\")")
    missing = probe("tensorrt", LibraryFacts)
    (module_folder / "tensorrt.py").write_text("__version__ = '8.6.2'")
    old = probe("tensorrt", LibraryFacts)

    assert (broken.is_missing, missing.is_missing, old.is_missing) == (False, True, False)
    assert broken.failure.startswith("TensorRT cannot be loaded (libnvinfer.so.10: cannot open")
    assert old.failure.startswith("TensorRT 8.6.2 is too old; 10.3.0 or newer is needed")


def test_a_bundle_is_run_once(tiny_bundle: Path, tmp_path: Path) -> None:
    found = probe("bundle", BundleFacts, str(tiny_bundle), "onnxruntime", str(tmp_path))

    assert found.facts is not None, found.failure
    assert found.facts.backend == "onnxruntime (CPU)"
    assert min(found.facts.open_ms, found.facts.adapt_ms, found.facts.predict_ms) > 0


def test_a_bundle_is_examined_on_each_backend(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle, on_processor, on_gpu = examine_bundle(tiny_bundle, ["onnxruntime", "tensorrt"], tmp_path)

    assert (bundle.status, bundle.value[:5]) == ("ok", "tiny,")
    assert (on_processor.name, on_processor.status) == ("in onnxruntime", "ok")
    assert on_gpu.status != "ok"  # there is no engine in an empty cache
    assert on_gpu.advice


def test_a_bundle_that_was_changed_is_a_problem(bundle_copy: Path, tmp_path: Path) -> None:
    (bundle_copy / "adapt.onnx").write_bytes(b"")

    (only,) = examine_bundle(bundle_copy, ["onnxruntime"], tmp_path)

    assert only.status == "problem"
    assert "adapt.onnx has 0 bytes" in only.value
    assert only.advice == "copy the bundle again"
