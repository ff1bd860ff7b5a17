"""Wheels for another processor, fetched by this machine's pip with its own settings."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from pathlib import Path

from emulation.cache import remove_folder
from emulation.failure import ProofFailed
from emulation.programs import run

__all__ = ["build_project_wheel", "fetch_wheels", "requirements_of"]

_GLIBC_MINORS = (34, 31, 28, 27, 26, 24, 17)  # tags in use that Debian 12 and Ubuntu 22.04 accept
_PIP = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")


def build_project_wheel(project: Path, folder: Path) -> Path:
    """Build the wheel of the project as it is now.

    Args:
        project: Folder with `pyproject.toml`.
        folder: Emptied first; then it holds the wheel alone.

    Raises:
        ProofFailed: The build failed.
    """
    remove_folder(folder)
    folder.mkdir(parents=True)
    run([*_PIP, "wheel", "--no-deps", "--wheel-dir", folder, project], what="building the project's wheel")
    (wheel,) = folder.glob("*.whl")
    return wheel


def requirements_of(wheel: Path) -> str:
    """Digest of what a wheel says it requires."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    return hashlib.sha256("\n".join(line for line in lines if line.startswith("Requires")).encode()).hexdigest()


def fetch_wheels(wheel: Path, folder: Path, *, python_version: str, more: tuple[str, ...] = (),
                 constraints: Path | None = None) -> str:  # fmt: skip
    """Fetch wheels for aarch64 Linux of all that a wheel requires, unless they are there from an earlier run.

    Args:
        wheel: Of the project.
        folder: Of the wheels; replaced whole when anything asked for has changed.
        python_version: Of the other machine, such as `3.11`.
        more: Further requirements.
        constraints: Versions to take.

    Returns:
        Digest of what was asked for.

    Raises:
        ProofFailed: A requirement has no such wheel.
    """
    asked = "\n".join(
        [requirements_of(wheel), python_version, *more, "" if constraints is None else constraints.read_text()]
    )
    digest = hashlib.sha256(asked.encode()).hexdigest()
    stamp = folder / "asked-for.sha256"
    if stamp.is_file() and stamp.read_text() == digest:
        return digest
    remove_folder(folder)
    folder.mkdir(parents=True)
    tags = [f"--platform=manylinux_2_{minor}_aarch64" for minor in _GLIBC_MINORS]
    abis = [f"--abi=cp{python_version.replace('.', '')}", "--abi=abi3", "--abi=none"]
    limits = [] if constraints is None else ["--constraint", str(constraints)]
    try:
        run(
            [*_PIP, "download", "--only-binary=:all:", *tags, "--platform=manylinux2014_aarch64",
             f"--python-version={python_version}", "--implementation=cp", *abis, *limits, "--dest", folder,
             str(wheel), *more],
            what=f"fetching aarch64 wheels for Python {python_version}",
        )  # fmt: skip
    except ProofFailed:
        remove_folder(folder)
        raise
    (folder / wheel.name).unlink(missing_ok=True)
    stamp.write_text(digest)
    return digest
