"""The fake `pycuda.driver`: exactly the names of pycuda's table."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from stand_in.cuda_errors import CudaError, CudaLogicError, CudaMemoryError, CudaRuntimeError
from stand_in.cuda_memory import DEVICEMAP, make_allocations, make_copies
from stand_in.cuda_objects import make_classes
from stand_in.enumerations import make_enum
from stand_in.machine import Machine
from stand_in.tables import pycuda_table

__all__ = ["make_driver"]

_HOST_ALLOC_FLAGS = {"PORTABLE": 1, "DEVICEMAP": DEVICEMAP, "WRITECOMBINED": 4}
_ERRORS = {
    "Error": CudaError, "LogicError": CudaLogicError, "MemoryError": CudaMemoryError, "RuntimeError": CudaRuntimeError
}  # fmt: skip


def make_driver(machine: Machine) -> Any:
    """Make the module for one machine."""
    table = pycuda_table()
    module: Any = ModuleType("pycuda.driver", "Stand-in for pycuda's driver interface.")
    for name, members in table["enums"].items():
        setattr(module, name, make_enum(name, {member: number for number, member in enumerate(members)}))
    for name in (*table["classes"], *table["functions"], *table["exceptions"], *table["values"]):
        setattr(module, name, _not_acted(name))
    acted = _acted(machine, module)
    for name, thing in acted.items():
        if not hasattr(module, name):
            raise NameError(f"the stand-in acts pycuda.driver.{name}, which pycuda has not")
        setattr(module, name, thing)
    return module


def _not_acted(name: str) -> Any:
    def __init__(self: object, *args: object, **kwargs: object) -> None:
        raise NotImplementedError(f"pycuda.driver.{name} exists, but the stand-in does not act it")

    return type(name, (Exception,), {"__init__": __init__})


def _acted(machine: Machine, module: Any) -> dict[str, Any]:
    def init(flags: int = 0) -> None:
        if machine.faults.no_driver:
            raise CudaRuntimeError("cuInit failed: no CUDA-capable device is detected")
        machine.is_initialised = True

    return {
        **_ERRORS,
        **make_classes(machine, module.device_attribute),
        **make_allocations(machine),
        **make_copies(machine),
        "get_driver_version": lambda: 12060,
        "get_version": lambda: (12, 6, 0),
        "host_alloc_flags": type("host_alloc_flags", (), dict(_HOST_ALLOC_FLAGS)),
        "init": init,
    }
