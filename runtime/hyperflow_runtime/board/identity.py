"""Which board or machine this is."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from hyperflow_runtime.board.memory import read_memory
from hyperflow_runtime.board.reading import read_text

__all__ = ["Board", "describe_board", "l4t_release", "usable_cores"]

_MAKERS = re.compile(r"\b(?:AMD|Intel|NVIDIA)\b(?:\(R\)|\(TM\))?|\((?:R|TM)\)", re.IGNORECASE)


class Board(msgspec.Struct, frozen=True):
    """A board or machine, as far as figures measured on it depend on it.

    Attributes:
        slug: Fit for a folder's name; equal on equal boards.
        model: Of the board, from its device tree; None on a PC.
        processor: As the kernel names it.
        n_cores: Cores that this process may use.
        memory_bytes: Main memory; on a Jetson the GPU's too.
        system: Operating system and architecture.
        l4t: Release of NVIDIA's Linux for Tegra, such as `36.4.3`; None on anything but a Jetson.
    """

    slug: str
    model: str | None
    processor: str
    n_cores: int
    memory_bytes: int
    system: str
    l4t: str | None

    @property
    def is_jetson(self) -> bool:
        """Whether this is an NVIDIA Jetson."""
        return self.l4t is not None or "jetson" in (self.model or "").lower()


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def l4t_release(root: Path = Path("/"), packages: Mapping[str, str] | None = None) -> str | None:
    """Release of Linux for Tegra, or None where there is none.

    Args:
        root: Top of the file system to look in.
        packages: Versions of the installed Debian packages, to ask where the release file is absent.
    """
    first_line = (read_text(root / "etc/nv_tegra_release") or "").partition("\n")[0]
    named = re.search(r"R(\d+) \(release\), REVISION: (\d+(?:\.\d+)*)", first_line)
    if named:
        return f"{named[1]}.{named[2]}"
    core = re.match(r"\d+(?:\.\d+)+", (packages or {}).get("nvidia-l4t-core", ""))
    return core[0] if core else None


def _processor(root: Path) -> str:
    named = re.search(r"^model name\s*:[ \t]*(\S.*)$", read_text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return named[1].strip() if named else platform.machine()


def describe_board(root: Path = Path("/"), packages: Mapping[str, str] | None = None) -> Board:
    """Look at the board.

    Args:
        root: Top of the file system to look in.
        packages: Versions of the installed Debian packages, where they are known.
    """
    model = (read_text(root / "proc/device-tree/model") or "").replace("\0", " ").strip() or None
    processor, n_cores, memory = _processor(root), usable_cores(), read_memory(root)
    memory_bytes = 0 if memory is None else memory.total_bytes
    return Board(
        slug=_slug(f"{processor} {n_cores} cores" if model is None else f"{model} {_memory_size(memory_bytes)}"),
        model=model,
        processor=processor,
        n_cores=n_cores,
        memory_bytes=memory_bytes,
        system=f"{platform.system()} {platform.machine()}",
        l4t=l4t_release(root, packages),
    )


def _memory_size(n_bytes: int) -> str:
    """Size as it is sold: the kernel and the firmware keep a part of it, and boards of one name differ in it."""
    gib = 1
    while gib * 2**30 < n_bytes:
        gib *= 2
    return f"{gib} gb"


def _slug(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", _MAKERS.sub("", words).lower()).strip("-")[:100]
