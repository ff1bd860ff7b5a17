"""Put the fakes where `import tensorrt` and `import pycuda.driver` find them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest

from stand_in.cuda_driver import make_driver
from stand_in.device import ORIN_NANO, DeviceSpec, Faults
from stand_in.ledger import Ledger
from stand_in.library import Library
from stand_in.machine import Machine

__all__ = ["StandIn", "install"]


class StandIn:
    """An installed pair of fakes.

    Attributes:
        version: Of TensorRT, as its table is named.
        device: The GPU.
        tensorrt: The fake module.
        driver: The fake `pycuda.driver`.
        faults: What is to go wrong; change it at any time.
        ledger: What happened.
    """

    def __init__(self, version: str, machine: Machine) -> None:
        """Use `install` instead."""
        self._machine = machine
        self.version, self.device = version, machine.device
        self.tensorrt: Any = Library(machine, version).bindings.module
        self.driver: Any = make_driver(machine)
        self.faults: Faults = machine.faults
        self.ledger: Ledger = machine.ledger

    @property
    def n_retained(self) -> int:
        """References to the primary context that are held."""
        return self._machine.contexts.n_retained

    def check(self, *, nothing_left: bool = False) -> None:
        """Hold that nothing was misused and every thread popped its contexts.

        Args:
            nothing_left: Hold also that everything was freed, but for the primary context.

        Raises:
            AssertionError: It is not so.
        """
        self._machine.contexts.check_empty()
        if nothing_left:
            gc.collect()
            self.ledger.check_nothing_left()
        self.ledger.check()


class _NoAutomaticContext(MetaPathFinder):
    """Modules of pycuda that make a context on import, which other libraries and threads then meet."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in ("pycuda.autoinit", "pycuda.autoprimaryctx"):
            self._ledger.misuse(f"{fullname} was imported")
        return None


def install(monkeypatch: pytest.MonkeyPatch, version: str, device: DeviceSpec = ORIN_NANO) -> StandIn:
    """Install fakes until the test ends.

    Args:
        monkeypatch: Of the test.
        version: Of TensorRT, one of `TENSORRT_VERSIONS`.
        device: The GPU to be.
    """
    stand_in = StandIn(version, Machine(device))
    pycuda: Any = ModuleType("pycuda")
    pycuda.__path__ = []
    pycuda.driver = stand_in.driver
    for name, module in {"tensorrt": stand_in.tensorrt, "pycuda": pycuda, "pycuda.driver": stand_in.driver}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "meta_path", [_NoAutomaticContext(stand_in.ledger), *sys.meta_path])
    return stand_in
