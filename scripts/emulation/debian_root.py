"""A small Debian system in a folder, made once by debootstrap and never changed afterwards."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from emulation.cache import remove_folder
from emulation.programs import run
from emulation.steps import Steps

__all__ = ["DEFAULT_MIRROR", "DEFAULT_SUITE", "DebianRoot", "debian_root"]

DEFAULT_MIRROR = "http://deb.debian.org/debian"
DEFAULT_SUITE = "bookworm"
_PACKAGES = "ca-certificates,python3,python3-venv"


@dataclass(frozen=True)
class DebianRoot:
    """A system to enter or to build images from.

    Attributes:
        folder: Its root folder; only to be read.
        suite: Debian's name of the release.
        architecture: Debian's name, `arm64` or `amd64`.
        python_version: Of its `python3`, such as `3.11`.
    """

    folder: Path
    suite: str
    architecture: str
    python_version: str

    @property
    def name(self) -> str:
        """Suite and architecture."""
        return f"{self.suite}-{self.architecture}"


def _python_version(folder: Path) -> str:
    """Where `python3` leads to: a link such as `python3.11`."""
    return os.readlink(folder / "usr/bin/python3").removeprefix("python")


def debian_root(cache: Path, suite: str, architecture: str, mirror: str, steps: Steps) -> DebianRoot:
    """Give the root of the cache, making it when absent.

    Args:
        cache: Folder of the cache.
        suite: Debian's name of the release.
        architecture: Debian's name.
        mirror: Archive of the packages, for a root that is not there yet.
        steps: Gets the time.

    Raises:
        CannotRun: An unfinished root of an earlier run cannot be removed.
        ProofFailed: debootstrap failed.
    """
    folder = cache / "roots" / f"{suite}-{architecture}"
    if not folder.is_dir():
        partial = folder.with_name(f".{folder.name}.partial")
        remove_folder(partial)
        with steps.step(f"debootstrap of {suite} {architecture}"):
            # In mount and process namespaces of its own: whatever way it ends, its mounts and processes end too.
            run(
                ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc",
                 "debootstrap", f"--arch={architecture}", "--variant=minbase", f"--include={_PACKAGES}",
                 suite, partial, mirror],
                what="debootstrap", log=cache / "logs" / f"debootstrap-{folder.name}.log",
            )  # fmt: skip
            for archive in (partial / "var/cache/apt/archives").glob("*.deb"):
                archive.unlink()
            # As in Debian's own images: a system that can be made again need not wait for the disk at each package.
            (partial / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n")
        partial.rename(folder)
    return DebianRoot(folder, suite, architecture, _python_version(folder))
