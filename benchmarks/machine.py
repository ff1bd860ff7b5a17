"""What a result was measured on, and the file it is written to."""

from __future__ import annotations

import os
import platform
import re
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

__all__ = ["Machine", "describe_machine", "usable_cores", "write_result"]

_PACKAGES = ("hyperflow", "numpy", "onnx", "onnxruntime", "pillow", "torch")


class Machine(msgspec.Struct, frozen=True):
    """The machine and the software of one run.

    Attributes:
        slug: Processor and core count, fit for a folder's name.
        processor: As the kernel names it.
        n_cores: Cores that this process may use.
        system: Operating system and architecture.
        memory_gb: Main memory, in 10^9 bytes.
        load_average: Of the last minute, when the run began; well above 0 means that others were computing too.
        python: Version.
        packages: Version of each package that takes part; those not installed are left out.
    """

    slug: str
    processor: str
    n_cores: int
    system: str
    memory_gb: float
    load_average: float
    python: str
    packages: dict[str, str]


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def _processor() -> str:
    """Name of a board where there is one (ARM kernels do not name the processor), else of the processor."""
    board = Path("/proc/device-tree/model")
    if board.is_file():
        return board.read_text().strip("\0 \n")
    named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return named.group(1).strip() if named else platform.machine()


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def describe_machine() -> Machine:
    """Look at the machine now; call it before measuring, so that the load is not the benchmark's own."""
    processor, n_cores = _processor(), usable_cores()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        slug=re.sub(r"[^a-z0-9]+", "-", f"{processor.lower()} {n_cores} cores").strip("-"),
        processor=processor,
        n_cores=n_cores,
        system=f"{platform.system()} {platform.machine()}",
        memory_gb=round(memory / 1e9, 1),
        load_average=os.getloadavg()[0],
        python=platform.python_version(),
        packages=_packages(),
    )


def write_result(path: Path, result: Mapping[str, object]) -> None:
    """Write a result as JSON, whole or not at all.

    Args:
        path: The folder is made when absent; an older file is replaced.
        result: Headline keys first, since people read the file too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    staged = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        staged.chmod(0o644)
        staged.replace(path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
