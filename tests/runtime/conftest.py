"""Fixtures of the runtime's tests: pictures of four colours, an opened bundle, and ways to spoil a bundle."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hyperflow_runtime import Model, Session, open_bundle

COLOURS_BGR = {"red": (40, 40, 210), "green": (50, 200, 60), "blue": (220, 70, 40), "grey": (128, 128, 128)}


def _pictures(colour: tuple[int, int, int], seed: int) -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    noise = rng.integers(-40, 41, (8, 40, 48, 3))
    return list(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def pictures() -> dict[str, list[NDArray[np.uint8]]]:
    """Eight noisy BGR frames (40, 48, 3) of each colour; never written to."""
    return {name: _pictures(colour, seed) for seed, (name, colour) in enumerate(COLOURS_BGR.items())}


@pytest.fixture(scope="session")
def model(tiny_bundle: Path) -> Iterator[Model]:
    """The tiny bundle, opened once for all tests."""
    with open_bundle(tiny_bundle, n_threads=1) as opened:
        yield opened


@pytest.fixture
def session(model: Model) -> Session:
    """An empty session."""
    return model.session(bake=False)


@pytest.fixture
def adapted(session: Session, pictures: dict[str, list[NDArray[np.uint8]]]) -> Session:
    """A session that was adapted to three shots each of red, green and blue."""
    for label in ("red", "green", "blue"):
        session.add(label, pictures[label][:3])
    session.adapt()
    return session


@pytest.fixture(scope="session")
def edit_manifest() -> Callable[[Path, Callable[[dict[str, Any]], object]], None]:
    """Change the manifest of a bundle in place."""

    def edit(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
        file = bundle / "manifest.json"
        manifest = json.loads(file.read_text())
        change(manifest)
        file.write_text(json.dumps(manifest))

    return edit


@pytest.fixture(scope="session")
def replace_file(
    edit_manifest: Callable[[Path, Callable[[dict[str, Any]], object]], None],
) -> Callable[[Path, str, bytes], None]:
    """Replace a file of a bundle and state its new size and hash, so that only its contents are wrong."""

    def replace(bundle: Path, name: str, data: bytes) -> None:
        (bundle / name).write_bytes(data)
        entry = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
        edit_manifest(bundle, lambda manifest: manifest["files"].update({name: entry}))

    return replace


@pytest.fixture(scope="session")
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a script in an interpreter of its own, with arguments."""

    def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


@pytest.fixture
def orin_nano(tmp_path: Path) -> Path:
    """Top of a file system with what a Jetson Orin Nano's own files and tools say; a copy to spoil."""
    return Path(shutil.copytree(Path(__file__).parents[1] / "data/boards/orin-nano", tmp_path / "orin"))
