"""A virtual environment inside a root, with the project installed as on a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emulation.binfmt import is_native
from emulation.cache import remove_folder
from emulation.chroot import Bind, run_inside
from emulation.debian_root import DebianRoot
from emulation.processor import QEMU_CPU, write_cpuinfo
from emulation.steps import Steps
from emulation.wheels import build_project_wheel, fetch_wheels

__all__ = ["Environment", "make_environment"]

_TESTING = ("pytest", "hypothesis", "opencv-python-headless")  # a device has an OpenCV of its own


@dataclass(frozen=True)
class Environment:
    """Where programs run with the project installed.

    Attributes:
        root: The system.
        work: Folder of this machine that is `/mnt/work` inside, to be written.
        project: The checkout, `/mnt/project` inside, only to be read.
    """

    root: DebianRoot
    work: Path
    project: Path

    def run(self, *command: str, what: str, log: Path | None = None, more: Sequence[Bind] = ()) -> str:
        """Run the environment's Python inside.

        Args:
            command: Its arguments.
            what: Names the work in the error.
            log: File for what it prints.
            more: Further folders to show.

        Raises:
            ProofFailed: It failed.
        """
        return run_inside(
            self.root.folder, ["/mnt/work/venv/bin/python", *command], what=what, log=log,
            binds=[Bind(self.project, "project"), Bind(self.work, "work", writable=True), *more],
            environment={"HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1", "QEMU_CPU": QEMU_CPU},
            cpuinfo=None if is_native() else write_cpuinfo(self.work),
        )  # fmt: skip


def make_environment(root: DebianRoot, work: Path, project: Path, steps: Steps) -> Environment:
    """Install the project as it is now, and what its tests need, into the environment of the cache.

    Args:
        root: The system.
        work: Folder of the environment, of this root alone.
        project: The checkout.
        steps: Gets the times.

    Raises:
        CannotRun: A folder of the cache cannot be replaced.
        ProofFailed: A wheel is missing, or the installation failed.
    """
    environment = Environment(root, work, project)
    with steps.step("wheel of the project"):
        wheel = build_project_wheel(project, work / "project-wheel")
    with steps.step(f"aarch64 wheels for Python {root.python_version}"):
        digest = fetch_wheels(
            wheel, work / "wheels", python_version=root.python_version, more=_TESTING,
            constraints=project / "constraints.txt",
        )  # fmt: skip
    stamp = work / "venv/installed.sha256"
    install = ("-m", "pip", "install", "-q", "--no-index", "--find-links", "/mnt/work/wheels")
    project_wheel = f"/mnt/work/project-wheel/{wheel.name}"
    if not stamp.is_file() or stamp.read_text() != digest:
        remove_folder(work / "venv")
        with steps.step("pip install . inside, with all it requires"):
            run_inside(
                root.folder, ["python3", "-m", "venv", "/mnt/work/venv"], what="making the virtual environment",
                binds=[Bind(work, "work", writable=True)], environment={"HOME": "/tmp"},
            )  # fmt: skip
            environment.run(*install, project_wheel, *_TESTING, what="pip install inside")
        stamp.write_text(digest)
    else:
        with steps.step("pip install . inside, the project alone"):
            environment.run(
                *install, "--no-deps", "--force-reinstall", project_wheel, what="pip install of the project inside"
            )
    return environment
