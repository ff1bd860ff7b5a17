"""What an engine depends on. Two builds with equal keys may stand for each other; any difference asks for a new one."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from hyperflow_runtime.bundle.manifest import Precision
from hyperflow_runtime.engines.plan_header import LIBRARY_TITLES, LibraryName

__all__ = ["DeviceIdentity", "EngineKey", "GraphName", "ShapeRange"]

GraphName = Literal["adapt", "backbone"]


class DeviceIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A GPU, as far as a plan depends on it.

    Attributes:
        name: As the driver gives it.
        compute_capability: Major and minor, such as `8.7`.
        n_multiprocessors: Its streaming multiprocessors; boards of one name differ in them.
    """

    name: str
    compute_capability: str
    n_multiprocessors: int

    def __str__(self) -> str:
        return f"{self.name} ({self.compute_capability}, {self.n_multiprocessors} SMs)"


class ShapeRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Least, usual and largest shape of one input in one optimisation profile."""

    input: str
    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]


class EngineKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what a plan is.

    Attributes:
        graph: Which of the bundle's two graphs.
        graph_sha256: Hash of its bytes, weights included.
        library: Module that builds and runs it.
        library_version: Its version in full.
        compute_capabilities: Sorted, such as `("8.6", "8.9")`; one for an engine built on its device.
        device: Where it was built; None for an engine built ahead of time, which any GPU of its capabilities may run.
        precision: Of the bundle.
        profiles: For each optimisation profile, the ranges of the inputs whose shape varies.
        workspace_mib: Most scratch memory that a layer may take.
        optimisation_level: TensorRT's builder level, 0..5.
        flags: Further choices that change a plan, sorted.
    """

    graph: GraphName
    graph_sha256: str
    library: LibraryName
    library_version: str
    compute_capabilities: tuple[str, ...]
    device: DeviceIdentity | None
    precision: Precision
    profiles: tuple[tuple[ShapeRange, ...], ...]
    workspace_mib: int
    optimisation_level: int
    flags: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Hash of the key, which names its files; 32 hexadecimal digits."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:32]

    def differences(self, other: EngineKey) -> tuple[str, ...]:
        """Say in words what differs from another key, from that one to this one; empty when they are equal."""
        said = []
        for field in msgspec.structs.fields(self):
            before, now = getattr(other, field.name), getattr(self, field.name)
            if before != now:
                said.append(_difference(field.name, before, now))
        return tuple(said)


def _difference(field: str, before: object, now: object) -> str:
    if field == "graph_sha256":
        return "the graph changed"
    if field == "profiles":
        return "the shapes changed"
    if field == "library":
        return f"{_title(before)} -> {_title(now)}"
    return f"{field.replace('_', ' ')} {_plain(before)} -> {_plain(now)}"


def _title(library: object) -> str:
    return next(title for name, title in LIBRARY_TITLES.items() if name == library)


def _plain(value: object) -> str:
    if value is None:
        return "ahead of time"
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
