"""Device memory and page-locked memory, both of them real memory of this process at their real addresses."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stand_in.device import DeviceSpec
from stand_in.ledger import Kind, Ledger

__all__ = ["Memory", "OutOfMemory", "Region"]

_UNWRITTEN = 0xFF
"""Four of them are a NaN: what reads memory before it is written, or after it is freed, does not go unseen."""


class OutOfMemory(Exception):
    """There is no room."""


@dataclass(eq=False)
class Region:
    """One allocation.

    Attributes:
        kind: Where it lies.
        data: Its bytes.
        number: In the ledger.
        is_visible: Whether the GPU may use its address.
        is_live: False once freed.
    """

    kind: Kind
    data: NDArray[np.uint8]
    number: int
    is_visible: bool
    is_live: bool = True

    @property
    def address(self) -> int:
        """Of the first byte."""
        return int(self.data.__array_interface__["data"][0])


class Memory:
    """All memory of one machine. Freed memory is kept, spoilt, so that no address is ever given twice."""

    def __init__(self, device: DeviceSpec, ledger: Ledger) -> None:
        self._limits = {"device memory": device.memory_bytes, "host memory": device.pinned_bytes}
        self._ledger = ledger
        self._regions: list[Region] = []
        self._lock = threading.RLock()

    def allocate(self, kind: Kind, n_bytes: int, *, is_visible: bool = True) -> Region:
        """Allocate.

        Args:
            kind: "device memory" or "host memory".
            n_bytes: More than 0.
            is_visible: Whether the GPU may use its address.

        Raises:
            OutOfMemory: There is too little left.
        """
        with self._lock:
            if self.used(kind) + n_bytes > self._limits[kind]:
                raise OutOfMemory
            data = np.full(n_bytes, _UNWRITTEN, np.uint8)
            region = Region(kind, data, self._ledger.made(kind), is_visible)
            self._regions.append(region)
            return region

    def free(self, region: Region) -> None:
        """Give back, and spoil what was in it."""
        with self._lock:
            region.is_live = False
            region.data[:] = _UNWRITTEN
            self._ledger.freed(region.kind, region.number)

    def used(self, kind: Kind) -> int:
        """Bytes that are allocated now."""
        return sum(region.data.nbytes for region in self._regions if region.is_live and region.kind == kind)

    def limit(self, kind: Kind) -> int:
        """Bytes there are."""
        return self._limits[kind]

    def view(self, address: int, n_bytes: int, purpose: str) -> NDArray[np.uint8]:
        """Bytes as the GPU sees them.

        Args:
            address: Of the first one, inside an allocation.
            n_bytes: How many.
            purpose: What for, for messages.

        Raises:
            StandInMisuse: The GPU may not use that address, it was freed, or the allocation is too small.
        """
        with self._lock:
            for region in self._regions:
                offset = address - region.address
                if 0 <= offset < region.data.nbytes:
                    return self._part(region, offset, n_bytes, purpose)
        self._ledger.misuse(f"{purpose}: {address:#x} is no memory that the GPU can see")

    def _part(self, region: Region, offset: int, n_bytes: int, purpose: str) -> NDArray[np.uint8]:
        if not region.is_live:
            self._ledger.misuse(f"{purpose}: the {region.kind} was freed")
        if not region.is_visible:
            self._ledger.misuse(f"{purpose}: the host memory is not mapped (host_alloc_flags.DEVICEMAP)")
        if offset + n_bytes > region.data.nbytes:
            self._ledger.misuse(f"{purpose}: {n_bytes} bytes at byte {offset} of {region.data.nbytes}")
        return region.data[offset : offset + n_bytes]
