"""The bundle and the photos that both machines are asked about."""

from __future__ import annotations

import sys
from pathlib import Path

from emulation.cache import remove_folder
from emulation.failure import CannotRun
from emulation.programs import run
from emulation.steps import Steps

__all__ = ["answers_here", "demo_bundle", "demo_photos"]


def demo_bundle(bundle: Path, project: Path, steps: Steps) -> Path:
    """Give the bundle, exporting the demo's own when absent.

    Raises:
        CannotRun: It is not there, and is not the demo's; or hyperflow-export is not installed.
        ProofFailed: The export failed.
    """
    if bundle.is_dir():
        return bundle
    if bundle.resolve() != (project / "build/small.hyperflow").resolve():
        raise CannotRun(f"{bundle} is not a folder; name a bundle that hyperflow-export has written")
    program = Path(sys.executable).with_name("hyperflow-export")
    if not program.is_file():
        raise CannotRun(f"{program} is not there to make {bundle}; run: make demo, and use .venv/bin/python")
    with steps.step("export of models/small"):
        run([program, "bundle", project / "models/small", "-o", bundle], what="hyperflow-export bundle")
    return bundle


def demo_photos(folder: Path, project: Path, steps: Steps) -> Path:
    """Give rendered photos of ten things, 3 to learn from and 2 to ask about each, rendering them when absent.

    Raises:
        ProofFailed: The rendering failed.
    """
    if not folder.is_dir():
        partial = folder.with_name(f".{folder.name}.partial")
        remove_folder(partial)
        partial.parent.mkdir(parents=True, exist_ok=True)
        with steps.step("photos"):
            run(
                [
                    sys.executable,
                    project / "samples/rendered_objects/render.py",
                    partial,
                    "--n-support",
                    "3",
                    "--n-query",
                    "2",
                ],
                what="rendering photos",
            )
        partial.rename(folder)
    return folder


def answers_here(bundle: Path, photos: Path, output: Path) -> Path:
    """Ask the runtime of this Python about the photos, and write its answers.

    Raises:
        ProofFailed: It failed, or is not installed.
    """
    script = Path(__file__).with_name("answers.py")
    run([sys.executable, script, bundle, photos, output], what="the runtime on this machine")
    return output
