"""What a result was measured on, and the file it is written to."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from hyperflow_runtime.board.identity import describe_board, usable_cores
from hyperflow_runtime.board.software import package_versions

__all__ = ["Machine", "describe_machine", "usable_cores", "write_result"]

_PACKAGES = ("hyperflow", "numpy", "onnx", "onnxruntime", "pillow", "torch")


class Machine(msgspec.Struct, frozen=True):
    """The machine and the software of one run.

    Attributes:
        slug: Board, or processor and core count, fit for a folder's name.
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


def describe_machine() -> Machine:
    """Look at the machine now; call it before measuring, so that the load is not the benchmark's own."""
    board = describe_board()
    return Machine(
        slug=board.slug,
        processor=board.model or board.processor,  # kernels of ARM boards do not name the processor
        n_cores=board.n_cores,
        system=board.system,
        memory_gb=round(board.memory_bytes / 1e9, 1),
        load_average=os.getloadavg()[0],
        python=platform.python_version(),
        packages=package_versions(_PACKAGES),
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
