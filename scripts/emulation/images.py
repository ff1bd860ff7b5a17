"""Building images with buildah, without an engine and without a registry, and running programs in them."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulation.debian_root import DebianRoot
from emulation.processor import QEMU_CPU
from emulation.programs import run

__all__ = ["ImageStore"]

# Each buildah has mounts of its own, gone when it ends in whatever way, and so its record of them is new each time.
# Programs that it runs see this /proc. Arguments: cpuinfo or nothing, folder of the record, then the command.
_ENTER = """
set -eu
[ -z "$1" ] || mount --bind "$1" /proc/cpuinfo
mkdir -p "$2"
mount -t tmpfs tmpfs "$2"
shift 2
exec "$@"
"""
_OVERLAY_TRIAL = 'cd "$1" && mkdir -p l u w m && mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m'


def _driver(folder: Path) -> str:
    """`overlay` where the kernel can stack layers in this folder; else `vfs`, which copies each layer whole."""
    folder.mkdir(parents=True, exist_ok=True)
    trial: list[str | Path] = [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "/bin/sh",
        "-c",
        _OVERLAY_TRIAL,
        "trial",
        folder,
    ]
    return "vfs" if subprocess.run(trial, capture_output=True).returncode else "overlay"


def _trusted_certificates() -> Path | None:
    """What this machine's programs trust; images that fetch packages here must trust the same."""
    file = ssl.get_default_verify_paths().cafile
    return None if file is None else Path(file)


@dataclass(frozen=True)
class ImageStore:
    """Images and their layers in the cache.

    Attributes:
        folder: Of the store.
        cpuinfo: Shown as `/proc/cpuinfo` to emulated programs; None where nothing is emulated.
    """

    folder: Path
    cpuinfo: Path | None

    def _buildah(self, *words: str | Path, what: str, log: Path | None = None) -> str:
        driver = _driver(self.folder / "trial")
        in_namespace = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _ENTER, "enter"]
        return run(
            [*in_namespace, str(self.cpuinfo or ""), self.folder / "run", "buildah", "--root",
             self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver", driver, *words],
            what=what, log=log,
        )  # fmt: skip

    def has(self, name: str) -> bool:
        """Whether an image of this name is in the store."""
        found = json.loads(self._buildah("images", "--json", what="buildah images") or "null") or []
        return any(name in (image.get("names") or ()) for image in found)

    def import_root(self, root: DebianRoot, name: str) -> None:
        """Make a base image of a root, unless it is there; it trusts what this machine trusts."""
        if self.has(name):
            return
        container = self._buildah("from", "--arch", root.architecture, "scratch", what="buildah from").strip()
        self._buildah("add", container, root.folder, "/", what="buildah add")
        certificates = _trusted_certificates()
        if certificates is not None:
            self._buildah("add", container, certificates, "/etc/ssl/certs/ca-certificates.crt", what="buildah add")
        # pip of a virtual environment brings certificates of its own, unless told.
        self._buildah(
            "config", "--arch", root.architecture, "--os", "linux", "--env",
            "PIP_CERT=/etc/ssl/certs/ca-certificates.crt", container, what="buildah config",
        )  # fmt: skip
        self._buildah("commit", "--rm", container, name, what="buildah commit")

    def build(
        self, project: Path, dockerfile: str, *, base: str, architecture: str, name: str, log: Path,
        stage: str | None = None, cuda: Path | None = None,
    ) -> None:  # fmt: skip
        """Build an image of the project as it is now; unchanged layers come from the store.

        Args:
            project: The checkout.
            dockerfile: File in it.
            base: Name of the base image, for the build argument `BASE_IMAGE`.
            architecture: Debian's name.
            name: Of the image.
            log: Gets what the build prints.
            stage: Build up to this one, instead of all.
            cuda: CUDA toolkit of this machine that the build is to see as its own.

        Raises:
            ProofFailed: A step of the build failed.
        """
        stages = [] if stage is None else ["--target", stage]
        toolkit = [] if cuda is None else ["--volume", f"{cuda.resolve()}:/usr/local/cuda:ro"]
        self._buildah(
            "bud", "--isolation", "chroot", "--arch", architecture, "--layers", "--format", "docker", "--pull-never",
            "--build-arg", f"BASE_IMAGE={base}", *stages, *toolkit,
            "-f", project / dockerfile, "-t", name, project,
            what=f"building {dockerfile}", log=log,
        )  # fmt: skip

    def inspect(self, name: str) -> Mapping[str, Any]:
        """What the image is configured to do: user, entry point, volumes, health check."""
        inspected = json.loads(self._buildah("inspect", "--type", "image", name, what="buildah inspect"))
        config: Mapping[str, Any] = inspected["Docker"]["config"]
        return config

    def run(
        self, name: str, architecture: str, *command: str, what: str, binds: Sequence[tuple[Path, str, str]] = ()
    ) -> str:
        """Run a program in a new container of an image, as the image's user, and give what it printed.

        Args:
            name: Of the image.
            architecture: Debian's name.
            command: Program and arguments.
            what: Names the work in the error.
            binds: Folder here, path inside, and `ro` or `rw`, of each folder to show.

        Raises:
            ProofFailed: It failed.
        """
        container = self._buildah("from", "--arch", architecture, "--pull-never", name, what="buildah from").strip()
        try:
            volumes = [word for source, target, mode in binds for word in ("--volume", f"{source}:{target}:{mode}")]
            emulation = [] if self.cpuinfo is None else ["--env", f"QEMU_CPU={QEMU_CPU}"]
            return self._buildah(
                "run", "--isolation", "chroot", *volumes, *emulation, container, "--",
                *command, what=what,
            )  # fmt: skip
        finally:
            self._buildah("rm", container, what="buildah rm")
