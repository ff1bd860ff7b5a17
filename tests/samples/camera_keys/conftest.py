"""What the tests of the keys app share: a film of coloured pictures, and ways to run the app."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

SAMPLE = Path(__file__).resolve().parents[3] / "samples/camera_keys"
SCRIPT = SAMPLE / "teach.py"
COLOURS = {"red": (200, 40, 30), "green": (30, 180, 60), "blue": (40, 50, 210)}
SCENES = ("red", "green", "blue", "red", "green")
FRAMES_A_SCENE = 15


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 75 noisy pictures, 15 each of red, green, blue, red, green."""
    folder = tmp_path_factory.mktemp("film")
    rng = np.random.default_rng(0)
    for number, colour in enumerate(name for name in SCENES for _ in range(FRAMES_A_SCENE)):
        pixels = np.clip(np.array(COLOURS[colour]) + rng.normal(0, 25, (48, 64, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture
def command(tiny_bundle: Path) -> Callable[..., list[str]]:
    """The command line of the app, with the tiny bundle unless another is named."""

    def build(*arguments: object, bundle: Path = tiny_bundle) -> list[str]:
        return [sys.executable, "-W", "error", str(SCRIPT), "--bundle", str(bundle), *map(str, arguments)]

    return build


@pytest.fixture
def no_display() -> dict[str, str]:
    """The environment, without a screen."""
    return {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}


@pytest.fixture
def run(
    command: Callable[..., list[str]], no_display: dict[str, str], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the app to its end, in a folder of its own and without a screen."""

    def start(*arguments: object, **options: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments, **options), capture_output=True, text=True, timeout=120, cwd=tmp_path, env=no_display,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip

    return start


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import modules of the app; other samples have modules of the same names."""
    names = {file.stem for file in SAMPLE.glob("*.py")}
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    monkeypatch.syspath_prepend(str(SAMPLE))
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(before)
