"""Under which conditions figures are measured: without them, they cannot be compared."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from hyperflow_runtime.board.clocks import Clock, read_clocks, read_governors
from hyperflow_runtime.board.power import PowerMode, read_power_mode
from hyperflow_runtime.board.reading import read_text

__all__ = ["Conditions", "read_conditions"]

_MAX_LOAD = 0.5


class Conditions(msgspec.Struct, frozen=True):
    """State of the board when a measurement begins.

    Attributes:
        power_mode: None on anything but a Jetson.
        governors: Of the cores' frequencies, each once.
        clocks: Those that the kernel shows.
        load_average: Processes that wanted to run in the minute before; None where the kernel does not tell.
    """

    power_mode: PowerMode | None
    governors: tuple[str, ...]
    clocks: tuple[Clock, ...]
    load_average: float | None

    def warnings(self) -> tuple[str, ...]:
        """Reasons why figures measured now may be slower, or differ from one run to the next, and what to do."""
        said = []
        if self.power_mode is not None and self.power_mode.name is not None and not self.power_mode.is_top:
            mode = self.power_mode
            said.append(f"power mode {mode.name}, not {mode.top}: sudo nvpmodel -m {mode.top_id}")
        if not self.is_steady:
            remedy = "jetson_clocks" if self.power_mode is not None else "cpupower frequency-set -g performance"
            said.append(f"CPU governor {', '.join(self.governors)}, not performance: sudo {remedy}")
        if self.load_average is not None and self.load_average > _MAX_LOAD:
            said.append(f"load {self.load_average:.2f}, above {_MAX_LOAD}: end other programs and wait a minute")
        return tuple(said)

    @property
    def is_steady(self) -> bool:
        """Whether the cores keep their frequency, by their governor or because it is fixed."""
        fixed = any(clock.name == "cpu" and clock.is_fixed for clock in self.clocks)
        return fixed or all(governor == "performance" for governor in self.governors)


def read_conditions(root: Path = Path("/")) -> Conditions:
    """Look at the board now; before measuring, so that the load is not one's own.

    Args:
        root: Top of the file system to look in.
    """
    load = re.match(r"\d{1,6}(?:\.\d+)?", read_text(root / "proc/loadavg") or "")
    return Conditions(
        power_mode=read_power_mode(root),
        governors=read_governors(root),
        clocks=read_clocks(root),
        load_average=float(load[0]) if load else None,
    )
