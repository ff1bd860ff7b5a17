"""What lies beside each plan in the cache: its key, its hash, and whether its results were compared, and where."""

from __future__ import annotations

import msgspec

from hyperflow_runtime.engines.key import DeviceIdentity, EngineKey

__all__ = ["EngineRecord", "SelfTest"]


class SelfTest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comparison of an engine's results with the bundle's reference data and with onnxruntime.

    Attributes:
        device: Where it ran.
        bundle_sha256: Whose reference data.
        passed: The verdict; an engine that failed is never used.
    """

    device: DeviceIdentity
    bundle_sha256: str
    passed: bool


class EngineRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One engine in the cache.

    Attributes:
        key: What it was built for.
        bundle_name: Of the bundle it was built from.
        plan_sha256: Hash of the plan's bytes.
        size_bytes: Of the plan.
        build_seconds: How long the build took.
        created: When it was built or last asked for, UTC, ISO 8601; the newest of several is used.
        precisions: Number of layers of each precision that the built engine reports, empty where it does not tell;
            ahead of time, of products in the network it was built from.
        self_test: None until the engine ran on a device.
    """

    key: EngineKey
    bundle_name: str
    plan_sha256: str
    size_bytes: int
    build_seconds: float
    created: str
    precisions: dict[str, int]
    self_test: SelfTest | None = None
