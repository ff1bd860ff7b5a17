"""The power mode of a Jetson, which decides how many cores are on and how fast everything may run."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from hyperflow_runtime.board.reading import read_text
from hyperflow_runtime.board.tool import run_tool

__all__ = ["PowerMode", "read_power_mode"]


class PowerMode(msgspec.Struct, frozen=True):
    """What `nvpmodel` says.

    Attributes:
        name: Of the mode, such as `15W` or `MAXN_SUPER`; None where `nvpmodel` would not say.
        top: The fastest mode that the board has, where that is known.
        top_id: Its number, for `nvpmodel -m`.
        failure: Why there is no name.
    """

    name: str | None
    top: str | None = None
    top_id: int | None = None
    failure: str | None = None

    @property
    def is_top(self) -> bool:
        """Whether no faster mode is known."""
        return self.name is not None and self.name == (self.top or self.name)


def read_power_mode(root: Path = Path("/")) -> PowerMode | None:
    """Ask `nvpmodel`; None where there is none, as on anything but a Jetson.

    Args:
        root: Top of the file system to look in.
    """
    run = run_tool("nvpmodel", "-q", root=root)
    if run is None:
        return None
    named = re.search(r"NV Power Mode:[ \t]*(\S+)", run.output)
    top_id, top = _top_mode(read_text(root / "etc/nvpmodel.conf") or "")
    if named is None:
        return PowerMode(None, top, top_id, run.failure or f"it says {run.output.strip()!r:.80}")
    return PowerMode(named[1], top, top_id)


def _top_mode(configuration: str) -> tuple[int, str] | tuple[None, None]:
    modes = re.findall(r"<\s*POWER_MODEL\s+ID=(\d{1,4})\s+NAME=(\S+)\s*>", configuration)
    if not modes:
        return None, None
    number, name = max(modes, key=lambda mode: _rank(mode[1]))
    return int(number), name


def _rank(name: str) -> tuple[bool, bool, int]:
    """MAXN is without a limit, and the Super modes came later and go further; all others are named by their watts."""
    watts = re.search(r"(\d{1,4})W", name)
    return "MAXN" in name, "SUPER" in name, int(watts[1]) if watts else 0
