"""The runtime runs where nothing but its four dependencies is installed, and imports the heavy one late."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import hyperflow_runtime
from hyperflow_runtime import errors

RunPython = Callable[..., subprocess.CompletedProcess[str]]
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(hyperflow_runtime.__path__, prefix="hyperflow_runtime.")
)

# They alone print, so they alone need click and rich.
COMMANDS = [name for name in MODULES if name.startswith(("hyperflow_runtime.commands.", "hyperflow_runtime.__main__"))]

ALONE = """
import sys

for name in ("torch", "onnx", "onnxscript", "cv2", "click", "rich", "safetensors", "hyperflow", "hyperflow_export"):
    sys.modules[name] = None

import importlib
import numpy as np
import hyperflow_runtime

for name in sys.argv[3:]:
    print("import", importlib.import_module(name).__name__)

pictures = np.random.default_rng(0).integers(0, 256, (6, 40, 40, 3)).astype(np.uint8)
with hyperflow_runtime.open_bundle(sys.argv[1]) as model:
    session = model.session()
    session.add("a", pictures[:3])
    session.add("b", pictures[3:])
    session.rename_class("b", "c")
    session.adapt()
    session.wait_until_baked()
    session.save(sys.argv[2])
    assert set(model.session(sys.argv[2]).predict(pictures[0]).scores) == {"a", "c"}
print("done")
"""

COMMANDS_ONLY = """
import sys

for name in ("torch", "onnx", "cv2", "safetensors", "hyperflow", "hyperflow_export"):
    sys.modules[name] = None

import importlib

for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted({"onnxruntime", "tensorrt", "tensorrt_rtx", "pycuda"} & set(sys.modules)))
"""

IMPORT_ONLY = """
import sys
import hyperflow_runtime

print(*sorted({"onnxruntime", "torch", "onnx", "cv2", "hyperflow", "hyperflow_export"} & set(sys.modules)))
"""


def test_every_module_and_a_whole_session_run_without_torch_onnx_and_opencv(
    tiny_bundle: Path, tmp_path: Path, run_python: RunPython
) -> None:
    library = [name for name in MODULES if name not in COMMANDS]

    ended = run_python(ALONE, tiny_bundle, tmp_path / "a.adaptation", *library)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [*(f"import {name}" for name in library), "done"]


def test_the_commands_are_imported_without_torch_and_load_no_backend(run_python: RunPython) -> None:
    ended = run_python(COMMANDS_ONLY, *COMMANDS)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\n", "")
    assert len(COMMANDS) >= 3


def test_importing_the_package_imports_no_backend(run_python: RunPython) -> None:
    ended = run_python(IMPORT_ONLY)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "\n", "")


WITHOUT_ONNXRUNTIME = """
import sys

sys.modules["onnxruntime"] = None
import hyperflow_runtime

try:
    hyperflow_runtime.open_bundle(sys.argv[1])
except hyperflow_runtime.BackendError as error:
    print(error)
"""


def test_a_missing_onnxruntime_is_named_with_its_remedy(tiny_bundle: Path, run_python: RunPython) -> None:
    ended = run_python(WITHOUT_ONNXRUNTIME, tiny_bundle)

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("onnxruntime is not installed (")
    assert ended.stdout.endswith("); pip install onnxruntime\n")


def test_the_modules_are_found() -> None:
    assert {"hyperflow_runtime.session", "hyperflow_runtime.backends.onnxruntime"} <= set(MODULES)


@pytest.mark.parametrize("name", ["hyperflow_runtime", *MODULES])
def test_every_name_in_all_resolves_and_is_listed_once(name: str) -> None:
    module = importlib.import_module(name)
    listed = list(getattr(module, "__all__", ()))

    assert [missing for missing in listed if not hasattr(module, missing)] == []
    assert len(set(listed)) == len(listed)
    assert listed or hasattr(module, "__path__") or name in {"hyperflow_runtime._version", "hyperflow_runtime.__main__"}


def test_every_error_has_the_one_root() -> None:
    exported = {name for name in hyperflow_runtime.__all__ if name.endswith("Error")}

    assert exported == set(errors.__all__) - {"BenchmarkError"}  # of the command alone
    assert all(issubclass(getattr(errors, name), errors.HyperflowRuntimeError) for name in errors.__all__)


def test_the_package_is_marked_as_typed() -> None:
    assert (Path(hyperflow_runtime.__path__[0]) / "py.typed").is_file()
