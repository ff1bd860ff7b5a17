"""Devices, contexts, streams and events of the fake `pycuda.driver`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from stand_in.contexts import PrimaryContext
from stand_in.cuda_errors import CudaLogicError, CudaRuntimeError
from stand_in.device import DeviceSpec
from stand_in.machine import Machine
from stand_in.streams import Queue

__all__ = ["Context", "Device", "Event", "Stream", "make_classes"]


class _OfMachine:
    """Base of the classes that `make_classes` derives from for one machine."""

    _machine: ClassVar[Machine]
    _attribute: ClassVar[Any]
    _context_class: ClassVar[Any]


def make_classes(machine: Machine, attribute: Any) -> dict[str, Any]:
    """Make the classes of one machine.

    Args:
        machine: Whose.
        attribute: The enumeration `device_attribute`.
    """
    members: dict[str, Any] = {"_machine": machine, "_attribute": attribute}
    classes = {base.__name__: type(base.__name__, (base,), members) for base in (Context, Event, Stream)}
    device = type("Device", (Device,), {**members, "_context_class": classes["Context"]})
    return {**classes, "Device": device}


class Device(_OfMachine):
    def __init__(self, ordinal: int) -> None:
        self._machine.check_initialised("cuDeviceGet")
        if ordinal != 0:
            raise CudaLogicError("cuDeviceGet failed: invalid device ordinal")

    @classmethod
    def count(cls) -> int:
        cls._machine.check_initialised("cuDeviceGetCount")
        return 1

    def name(self) -> str:
        return self._machine.device.name

    def compute_capability(self) -> tuple[int, int]:
        return self._machine.device.compute_capability

    def total_memory(self) -> int:
        return self._machine.device.memory_bytes

    def get_attribute(self, asked: Any) -> int:
        if not isinstance(asked, self._attribute):
            raise TypeError("Python argument types in Device.get_attribute did not match C++ signature")
        return _attribute_value(self._machine.device, asked.name)

    def retain_primary_context(self) -> Any:
        return self._context_class(self._machine.contexts.retain())


def _attribute_value(device: DeviceSpec, name: str) -> int:
    known = {
        "CAN_MAP_HOST_MEMORY": 1,
        "COMPUTE_CAPABILITY_MAJOR": device.compute_capability[0],
        "COMPUTE_CAPABILITY_MINOR": device.compute_capability[1],
        "INTEGRATED": int(device.is_integrated),
        "MULTIPROCESSOR_COUNT": device.n_multiprocessors,
        "UNIFIED_ADDRESSING": 1,
    }
    if name not in known:
        raise NotImplementedError(f"the stand-in knows no value of device_attribute.{name}")
    return known[name]


class Context(_OfMachine):
    def __init__(self, state: PrimaryContext) -> None:
        if not isinstance(state, PrimaryContext):
            raise RuntimeError("This class cannot be instantiated from Python")
        self._state = state

    def push(self) -> None:
        self._machine.contexts.push(self._state)

    @classmethod
    def pop(cls) -> None:
        cls._machine.contexts.pop()

    def detach(self) -> None:
        self._machine.contexts.detach(self._state)

    @classmethod
    def get_current(cls) -> Any:
        state = cls._machine.contexts.current()
        return None if state is None else cls(state)

    @classmethod
    def synchronize(cls) -> None:
        cls._machine.contexts.check_current("cuCtxSynchronize")
        cls._machine.queues.finish_all()


class Stream(_OfMachine):
    def __init__(self, flags: int = 0) -> None:
        self._context = self._machine.contexts.check_current("cuStreamCreate")
        self._queue: Queue = self._machine.queues.make()

    @property
    def handle(self) -> int:
        return self._queue.handle

    def synchronize(self) -> None:
        self._machine.contexts.check_current("cuStreamSynchronize")
        self._queue.finish()

    def is_done(self) -> bool:
        return self._queue.is_done

    def __del__(self) -> None:
        if hasattr(self, "_queue"):
            self._machine.contexts.clean_up(self._context, "stream", lambda: self._machine.queues.drop(self._queue))


class Event(_OfMachine):
    def __init__(self, flags: int = 0) -> None:
        self._context = self._machine.contexts.check_current("cuEventCreate")
        self._number = self._machine.ledger.made("event")
        self._finish: Callable[[], None] | None = None

    def record(self, stream: Stream | None = None) -> Event:
        if stream is not None and not isinstance(stream, Stream):
            raise TypeError("Python argument types in Event.record did not match C++ signature")
        self._finish = self._machine.queues.finish_all if stream is None else stream._queue.finish
        return self

    def synchronize(self) -> Event:
        if self._finish is None:
            raise CudaRuntimeError("cuEventSynchronize failed: not recorded")
        self._finish()
        return self

    def __del__(self) -> None:
        if hasattr(self, "_number"):
            freed = self._machine.ledger.freed
            self._machine.contexts.clean_up(self._context, "event", lambda: freed("event", self._number))
