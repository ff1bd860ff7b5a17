"""A real studio in a process of its own, with a rendered scene as its camera."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for running_studio

from running_studio import DEADLINE_S, RunningStudio

SCRIPT = Path(__file__).resolve().parents[3] / "samples/studio/studio.py"
StartStudio = Callable[..., RunningStudio]


@pytest.fixture(scope="session")
def studio_command(tiny_bundle: Path) -> Callable[..., list[str]]:
    """Return the command that starts a studio with the tiny bundle, with options added."""

    def command(*options: object) -> list[str]:
        return [sys.executable, "-W", "error", str(SCRIPT), "--bundle", str(tiny_bundle), *map(str, options)]

    return command


@pytest.fixture
def start_studio(tmp_path: Path, studio_command: Callable[..., list[str]]) -> Iterator[StartStudio]:
    """Start studios of one's own, on free ports, each with its own options; all end with the test."""
    with ExitStack() as stack:

        def start(*options: object, camera: str = "synthetic://?fps=15", **environment: str) -> RunningStudio:
            data = tmp_path / "studio"
            command = studio_command("--port", 0, "--camera", camera, "--data", data, *options)
            return stack.enter_context(RunningStudio(command, environment, data))

        yield start


@pytest.fixture
def run_studio(tmp_path: Path, studio_command: Callable[..., list[str]]) -> Callable[..., tuple[int, str]]:
    """Run a studio that ends by itself; return its exit status and all that it printed."""

    def run(*options: object) -> tuple[int, str]:
        common = ("--port", 0, "--camera", "synthetic://", "--data", tmp_path / "studio")
        command = studio_command(*common, *options)
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=DEADLINE_S, check=False
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture(scope="session")
def shared_studio(
    tmp_path_factory: pytest.TempPathFactory, studio_command: Callable[..., list[str]]
) -> Iterator[RunningStudio]:
    """One studio for all tests; use `studio`, which empties it."""
    data = tmp_path_factory.mktemp("studio")
    command = studio_command("--port", 0, "--camera", "synthetic://?fps=15", "--data", data)
    with RunningStudio(command, {}, data) as running:
        yield running
    assert not any("Traceback" in line for line in running.lines), "\n".join(running.lines)


@pytest.fixture
def studio(shared_studio: RunningStudio) -> RunningStudio:
    """A running studio without classes and adaptations; `url`, `token` (None) and `data` say where."""
    shared_studio.empty()
    return shared_studio


@pytest.fixture
def client(studio: RunningStudio) -> Iterator[httpx.Client]:
    """A client of that studio, which sends what the page sends."""
    with studio.client() as opened:
        yield opened
