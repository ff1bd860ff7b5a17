"""What Triton itself makes of a repository, where `HYPERFLOW_TRITONSERVER` names a `tritonserver`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hyperflow_export.triton.repository import write_repository
from hyperflow_export.triton.serving import Serving
from hyperflow_runtime.bundle.reader import Bundle

pytestmark = [
    pytest.mark.tritonserver,
    pytest.mark.skipif("HYPERFLOW_TRITONSERVER" not in os.environ, reason="needs HYPERFLOW_TRITONSERVER"),
]
SERVER = Path(__file__).with_name("tritonserver.py")


def start_and_end(repository: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SERVER), os.environ["HYPERFLOW_TRITONSERVER"], str(repository)]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=120)


def test_two_bundles_and_two_versions_are_loaded_and_the_files_beside_them_ignored(
    bundle: Bundle, repository: Path
) -> None:
    write_repository(bundle, repository, version=2)
    write_repository(bundle, repository, name="other")
    (repository / "README.md").write_text("Files at the top are no models.")

    done = start_and_end(repository)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0


def test_what_is_written_for_tensorrt_is_loaded_and_warmed_up(bundle: Bundle, tmp_path: Path) -> None:
    serving = Serving("auto", 2, "tensorrt", "/cache/engines")  # without a GPU, Triton leaves the accelerator out

    done = start_and_end(write_repository(bundle, tmp_path / "models", serving=serving).repository)

    assert done.returncode == 0, done.stderr


def test_the_empty_reshape_of_a_scalar_is_refused_by_triton(repository: Path) -> None:
    config = repository / "tiny_adapt/config.pbtxt"
    text = config.read_text().replace("dims: [ 1 ] }", "dims: [ 1 ] reshape { shape: [ ] } }")
    config.write_text(text)

    done = start_and_end(repository)

    assert done.returncode == 1
    assert "'step_size' cannot have empty reshape for non-batching model" in done.stderr


def test_a_folder_that_is_no_model_keeps_triton_from_starting(repository: Path) -> None:
    (repository / ".staged").mkdir()

    done = start_and_end(repository)

    assert done.returncode == 1
    assert "Poll failed for model directory '.staged'" in done.stderr
