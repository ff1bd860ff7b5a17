"""The first bytes of a TensorRT plan: which library wrote it, and in which version.

TensorRT refuses a plan of another version only after it has begun to read it, and says little. NVIDIA's
`sampleEngines.cpp` documents the bytes that tell beforehand: 0..3 a tag, 24..27 major, minor, patch and build.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hyperflow_runtime.errors import EngineError

__all__ = ["LIBRARY_TITLES", "LibraryName", "PlanHeader", "check_plan", "read_plan_header"]

LibraryName = Literal["tensorrt", "tensorrt_rtx"]

LIBRARY_TITLES: dict[LibraryName, str] = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT for RTX"}

_TAGS: dict[bytes, LibraryName] = {b"ftrt": "tensorrt", b"vtrt": "tensorrt_rtx"}
_HEADER_BYTES = 28


@dataclass(frozen=True)
class PlanHeader:
    """What a plan says of its writer.

    Attributes:
        library: Module that wrote it.
        version: Major, minor and patch.
    """

    library: LibraryName
    version: tuple[int, int, int]

    def __str__(self) -> str:
        return f"{LIBRARY_TITLES[self.library]} {'.'.join(map(str, self.version))}"


def read_plan_header(plan: bytes) -> PlanHeader:
    """Read the header of a plan.

    Raises:
        EngineError: Too short, or no plan of either library.
    """
    if len(plan) < _HEADER_BYTES:
        raise EngineError(f"a plan of {len(plan)} bytes is torn; build the engine again: hyperflow-export engine")
    library = _TAGS.get(plan[:4])
    if library is None:
        raise EngineError(f"not a TensorRT plan: it begins with {plan[:4]!r}; build it with hyperflow-export engine")
    return PlanHeader(library, (plan[24], plan[25], plan[26]))


def check_plan(plan: bytes, library: LibraryName, version: tuple[int, int, int]) -> None:
    """Refuse a plan that the library at hand cannot read.

    Args:
        plan: All of its bytes.
        library: Module that is to read it.
        version: Major, minor and patch of that module.

    Raises:
        EngineError: Torn, no plan, of the other library, or of another version.
    """
    header, here = read_plan_header(plan), PlanHeader(library, version)
    if header != here:
        raise EngineError(
            f"the plan was built by {header}, this is {here}, and plans do not pass from one to the other; "
            "build it here: hyperflow-export engine"
        )
