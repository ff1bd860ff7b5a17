"""Running programs of this machine, and saying which are missing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulation.failure import CannotRun, ProofFailed

__all__ = ["need_root_and", "run"]

_PACKAGES = {
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "qemu-aarch64-static": "qemu-user-static binfmt-support",
    "unshare": "util-linux",
}
_TAIL_LINES = 30


def need_root_and(*programs: str) -> None:
    """Check that this process is root and the programs are there.

    Raises:
        CannotRun: With the line that installs what is missing.
    """
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        packages = " ".join(_PACKAGES[name] for name in missing)
        raise CannotRun(f"missing: {', '.join(missing)}; on Debian or Ubuntu: sudo apt-get install {packages}")
    if os.geteuid() != 0:
        raise CannotRun(f"needs root, to unpack and enter another system; this is user {os.geteuid()}; run with sudo")


def run(
    command: Sequence[str | Path], *, what: str, log: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Run a program to its end.

    Args:
        command: Program and arguments; no shell reads them.
        what: Names the work in the error.
        log: File for everything it prints; without one, its standard output is returned.
        environment: Instead of this process's.

    Returns:
        What it printed on standard output, or the empty string with a log.

    Raises:
        ProofFailed: It failed; the text ends with the last lines it printed.
    """
    if log is None:
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        printed, tail = done.stdout, done.stdout + done.stderr
    else:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as file:
            done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, text=True, env=environment)
        printed, tail = "", log.read_text(errors="replace")
    if done.returncode != 0:
        last = "\n".join(tail.splitlines()[-_TAIL_LINES:])
        where = "" if log is None else f"; everything it printed: {log}"
        raise ProofFailed(f"{what} failed with exit code {done.returncode}{where}\n{last}")
    return printed
