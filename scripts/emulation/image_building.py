"""Images of the project on small Debian systems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emulation.binfmt import is_native
from emulation.debian_root import debian_root
from emulation.image_checks import BuiltImage
from emulation.images import ImageStore
from emulation.processor import write_cpuinfo
from emulation.steps import Steps

__all__ = ["NATIVE", "ImageBuilder"]

NATIVE = "arm64" if is_native() else "amd64"
"""Debian's name of this machine's architecture."""


@dataclass(frozen=True)
class ImageBuilder:
    """Builds images of one checkout.

    Attributes:
        project: The checkout.
        cache: Folder of the cache.
        suite: Debian release of the base images.
        mirror: Its archive.
        steps: Gets the times.
    """

    project: Path
    cache: Path
    suite: str
    mirror: str
    steps: Steps

    def build(
        self, dockerfile: str, architecture: str, *, stage: str | None = None, cuda: Path | None = None
    ) -> BuiltImage:
        """Build an image, with the root and the base image that it needs.

        Args:
            dockerfile: File in the checkout.
            architecture: Debian's name.
            stage: Build up to this one, instead of all.
            cuda: CUDA toolkit of this machine that the build is to see.

        Raises:
            ProofFailed: A step of it failed.
        """
        folder = self.cache / "images"
        store = ImageStore(folder, None if architecture == NATIVE else write_cpuinfo(folder))
        root = debian_root(self.cache, self.suite, architecture, self.mirror, self.steps)
        base = f"localhost/hyperflow-base:{root.name}"
        of_stage = "" if stage is None else f"-{stage}"
        name = f"localhost/{dockerfile.lower()}{of_stage}:{root.name}"
        with self.steps.step(f"base image of {root.name}"):
            store.import_root(root, base)
        with self.steps.step(f"{dockerfile}{of_stage} for {architecture}"):
            store.build(
                self.project, dockerfile, base=base, architecture=architecture, name=name, stage=stage, cuda=cuda,
                log=self.cache / "logs" / f"{dockerfile}{of_stage}-{root.name}.log",
            )  # fmt: skip
        return BuiltImage(store, name, architecture)
