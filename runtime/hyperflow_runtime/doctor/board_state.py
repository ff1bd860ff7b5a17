"""The board itself: model, releases, power, clocks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from hyperflow_runtime.board.conditions import Conditions
from hyperflow_runtime.board.identity import Board
from hyperflow_runtime.board.power import PowerMode
from hyperflow_runtime.board.tool import run_tool
from hyperflow_runtime.doctor.finding import Finding

__all__ = ["examine_board"]

_COMPONENTS = re.compile(r"cuda-toolkit-\d+-\d+|libcudnn\d+(-cuda-\d+)?|libnvinfer\d+|python3-libnvinfer")


def examine_board(
    board: Board, conditions: Conditions, packages: Mapping[str, str], *, root: Path = Path("/")
) -> tuple[Finding, ...]:
    """Judge the board.

    Args:
        board: What it is.
        conditions: How it is set up.
        packages: Versions of the installed Debian packages.
        root: Top of the file system to look in.
    """
    machine = f"{board.model or board.processor}, {board.n_cores} usable cores, {board.system}"
    return (
        Finding("machine", machine),
        *(_jetson(board, packages) if board.is_jetson else ()),
        *(_power(conditions.power_mode) if board.is_jetson else ()),
        *_clocks(conditions, is_jetson=board.is_jetson, root=root),
        Finding("name in references", board.slug),
    )


def _jetson(board: Board, packages: Mapping[str, str]) -> Iterator[Finding]:
    if board.l4t is not None:
        yield Finding("Linux for Tegra", board.l4t)
    else:
        yield Finding(
            "Linux for Tegra", "no release file", "note",
            "in a container, add -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro",
        )  # fmt: skip
    components = ", ".join(f"{name} {version}" for name, version in packages.items() if _COMPONENTS.fullmatch(name))
    jetpack = packages.get("nvidia-jetpack")
    if jetpack is not None or components:
        # The same JetPack comes with several versions of its parts, so these are what counts.
        yield Finding("JetPack", "; ".join(filter(None, (jetpack or "not as one package", components))))
    else:
        yield Finding("JetPack", "no package of it", "note", "sudo apt install nvidia-jetpack, except in a container")


def _power(mode: PowerMode | None) -> Iterator[Finding]:
    if mode is None:
        yield Finding(
            "power mode", "no nvpmodel", "note", "normal in a container; ask on the board itself: nvpmodel -q"
        )
    elif mode.name is None:
        yield Finding("power mode", f"nvpmodel does not say ({mode.failure})", "note", "sudo nvpmodel -q")
    elif not mode.is_top:
        yield Finding("power mode", mode.name, "note", f"{mode.top} is faster: sudo nvpmodel -m {mode.top_id}")
    else:
        yield Finding("power mode", mode.name)


def _clocks(conditions: Conditions, *, is_jetson: bool, root: Path) -> Iterator[Finding]:
    governors = ", ".join(conditions.governors) or "not shown by the kernel"
    if conditions.is_steady:
        yield Finding("CPU governor", governors)
    else:
        remedy = "sudo jetson_clocks" if is_jetson else "sudo cpupower frequency-set -g performance"
        yield Finding("CPU governor", governors, "note", f"to measure, hold the clocks: {remedy}")
    shown = ", ".join(
        f"{clock.name} {clock.current_mhz:.0f} of {clock.max_mhz:.0f} MHz{' (held)' if clock.is_fixed else ''}"
        for clock in conditions.clocks
    )
    if shown:
        yield Finding("clocks", shown)
    if is_jetson and not any(clock.name == "memory" for clock in conditions.clocks):
        yield _memory_clock(root)


def _memory_clock(root: Path) -> Finding:
    if os.geteuid() != 0:
        return Finding("memory clock", "shown to root only", "note", "sudo jetson_clocks --show")
    run = run_tool("jetson_clocks", "--show", root=root)
    found = re.search(r"EMC MinFreq=\d+ MaxFreq=(\d{1,12}) CurrentFreq=(\d{1,12})", run.output if run else "")
    if found is None:
        return Finding("memory clock", "jetson_clocks does not say", "note", "sudo jetson_clocks --show")
    return Finding("memory clock", f"{int(found[2]) / 1e6:.0f} of {int(found[1]) / 1e6:.0f} MHz")
