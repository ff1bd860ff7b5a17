"""Clocks of processor, GPU and memory, as far as the kernel shows them without root."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hyperflow_runtime.board.reading import read_number, read_text

__all__ = ["Clock", "read_clocks", "read_governors"]

_DEVICES = {"gpu": re.compile(r"gpu|\.gpa|ga10b|gv11b|gp10b"), "memory": re.compile(r"\.emc")}
"""Names under /sys/class/devfreq, which change with the generation of Jetson."""


class Clock(msgspec.Struct, frozen=True):
    """One clock, or the clocks of all cores.

    Attributes:
        name: `cpu`, `gpu` or `memory`.
        current_mhz: Now; the least of all cores.
        max_mhz: The most that the present power mode lets it reach.
        is_fixed: Whether it is held there, as `jetson_clocks` does, instead of following the load.
    """

    name: str
    current_mhz: float
    max_mhz: float
    is_fixed: bool


def read_governors(root: Path = Path("/")) -> tuple[str, ...]:
    """Frequency governors of the cores, each once, sorted; empty where the kernel shows none.

    Args:
        root: Top of the file system to look in.
    """
    files = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return tuple(sorted({governor for file in files if (governor := read_text(file, max_bytes=64))}))


def read_clocks(root: Path = Path("/")) -> tuple[Clock, ...]:
    """Clocks that the kernel shows; empty on most virtual machines.

    Args:
        root: Top of the file system to look in.
    """
    cores = [
        [read_number(folder / f"scaling_{which}_freq") for which in ("cur", "min", "max")]
        for folder in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq")
    ]
    found = [_clock("cpu", cores, per_mhz=1e3)]
    for name, pattern in _DEVICES.items():
        devices = [
            [read_number(folder / f"{which}_freq") for which in ("cur", "min", "max")]
            for folder in (root / "sys/class/devfreq").glob("*")
            if pattern.search(folder.name)
        ]
        found.append(_clock(name, devices, per_mhz=1e6))
    return tuple(clock for clock in found if clock is not None)


def _clock(name: str, readings: Sequence[Sequence[int | None]], *, per_mhz: float) -> Clock | None:
    whole = [(cur, low, high) for cur, low, high in readings if cur is not None and low is not None and high]
    if not whole:
        return None
    return Clock(
        name,
        current_mhz=min(cur for cur, _, _ in whole) / per_mhz,
        max_mhz=max(high for _, _, high in whole) / per_mhz,
        is_fixed=all(low == high for _, low, high in whole),
    )
