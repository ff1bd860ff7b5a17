"""What the actors of one TensorRT share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from stand_in.bindings import Actor, Bindings
from stand_in.building import Builder
from stand_in.default_logger import Logger
from stand_in.machine import Machine
from stand_in.network import OnnxParser
from stand_in.running import Runtime
from stand_in.tables import tensorrt_table
from stand_in.values import Dims, HostMemory

__all__ = ["Library"]

_CONSTRUCTED: dict[str, Any] = {"Builder": Builder, "Logger": Logger, "OnnxParser": OnnxParser, "Runtime": Runtime}


class Library:
    """One TensorRT on one machine.

    Attributes:
        machine: Where.
        bindings: Its module.
    """

    def __init__(self, machine: Machine, version: str) -> None:
        """Make the library of a table such as "10.3"."""
        self.machine = machine
        actors: dict[str, Callable[..., Actor]] = {
            name: functools.partial(make, self) for name, make in _CONSTRUCTED.items()
        }
        self.bindings = Bindings(tensorrt_table(version), {**actors, "Dims": Dims}, "tensorrt")
        self.bindings.add_specials("Dims", Dims)
        self.bindings.add_specials("IHostMemory", HostMemory)

    @property
    def version(self) -> str:
        """In full."""
        return str(self.bindings.module.__version__)

    @property
    def device_key(self) -> tuple[str, str, int]:
        """What a plan remembers of its GPU."""
        device = self.machine.device
        return device.name, ".".join(map(str, device.compute_capability)), device.n_multiprocessors

    @property
    def fingerprint(self) -> bytes:
        """What a timing cache remembers of its library and GPU."""
        return repr((self.version, self.device_key)).encode()

    def log(self, logger: Any, severity: str, text: str) -> None:
        """Tell the user's logger, from a thread of TensorRT's own."""
        member = getattr(self.bindings.module.ILogger, severity)
        self.machine.in_own_thread(lambda: logger.log(member, text) or True)
