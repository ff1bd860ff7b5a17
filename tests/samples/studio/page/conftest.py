"""Fixtures of the page's tests: studios with the model `small`, and windows of a headless Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from running_studio import RunningStudio

pytest.importorskip("playwright", reason="needs playwright")
sys.path.insert(0, str(Path(__file__).parent))  # for studio_page

from playwright.sync_api import Browser, BrowserContext, sync_playwright
from studio_page import StudioPage

ROOT = Path(__file__).resolve().parents[4]
EXPORT = "from hyperflow_export.commands.main import main; main()"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model `small`: what `make demo` left, else exported now."""
    made = ROOT / "build/small.hyperflow"
    if (made / "manifest.json").is_file():
        return made
    pytest.importorskip("torch", reason="needs build/small.hyperflow, or torch to export it")
    target = tmp_path_factory.mktemp("bundle") / "small.hyperflow"
    command = [sys.executable, "-c", EXPORT, "bundle", str(ROOT / "models/small"), "-o", str(target)]
    subprocess.run(command, check=True, timeout=600)
    return target


@pytest.fixture(scope="session")
def page_command(small_bundle: Path) -> Callable[..., list[str]]:
    """Return the command that starts a studio, with options added."""
    script = str(ROOT / "samples/studio/studio.py")

    def command(data: Path, *options: object, camera: str = "synthetic://", port: int = 0) -> list[str]:
        where = ["--bundle", small_bundle, "--camera", camera, "--port", port, "--data", data]
        return [sys.executable, script, *map(str, [*where, *options])]

    return command


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path = os.environ.get("HYPERFLOW_CHROMIUM") or shutil.which("chromium")
    if not path:
        pytest.skip("needs Chromium: HYPERFLOW_CHROMIUM, or chromium on the PATH")
    return path


# Playwright keeps an event loop running in this thread while it is started, which would be in the way of other tests:
# so it lives for one module and no longer.
@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium_path, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def page_studio(
    page_command: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStudio]:
    """One studio for the tests of a module; use `studio`, which empties it."""
    data = tmp_path_factory.mktemp("saved")
    with RunningStudio(page_command(data), {}, data) as running:
        yield running
    assert not any("Traceback" in line for line in running.lines), "\n".join(running.lines)


@pytest.fixture
def studio(page_studio: RunningStudio) -> RunningStudio:
    """A studio with a rendered scene, nothing learned and nothing saved."""
    page_studio.empty()
    return page_studio


@pytest.fixture
def start_page_studio(page_command: Callable[..., list[str]], tmp_path: Path) -> Iterator[Callable[..., RunningStudio]]:
    """Start studios of one's own, with options; all end with the test."""
    with ExitStack() as stack:

        def start(*options: object, camera: str = "synthetic://", port: int = 0) -> RunningStudio:
            command = page_command(tmp_path, *options, camera=camera, port=port)
            return stack.enter_context(RunningStudio(command, {}, tmp_path))

        yield start


@pytest.fixture
def open_page(browser: Browser, studio: RunningStudio) -> Iterator[Callable[..., StudioPage]]:
    """Opens windows, each with storage of its own; afterwards none may have met a fault."""
    opened: list[tuple[BrowserContext, StudioPage]] = []

    def open_one(at: RunningStudio | None = None, **options: object) -> StudioPage:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        window = StudioPage(context, at or studio)
        opened.append((context, window))
        return window

    yield open_one
    for context, window in opened:
        context.close()
        window.client.close()
    assert [fault for _, window in opened for fault in window.faults] == []


@pytest.fixture
def window(open_page: Callable[..., StudioPage]) -> StudioPage:
    """One window on a desk."""
    return open_page()
