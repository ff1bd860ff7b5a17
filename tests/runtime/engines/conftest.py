"""Keys and records of engines that no GPU has to build."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperflow_runtime.bundle.reader import Bundle, read_bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.choosing import graph_bytes
from hyperflow_runtime.engines.key import DeviceIdentity, EngineKey, GraphName
from hyperflow_runtime.engines.profiles import engine_profiles
from hyperflow_runtime.engines.record import EngineRecord

ORIN = DeviceIdentity("Orin", "8.7", 16)


@pytest.fixture
def orin() -> DeviceIdentity:
    """A Jetson's GPU."""
    return ORIN


@pytest.fixture
def bundle(tiny_bundle: Path) -> Bundle:
    """The tiny bundle, read."""
    return read_bundle(tiny_bundle)


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    """An empty cache whose folder is not there yet."""
    return EngineCache(tmp_path / "engines")


@pytest.fixture
def make_key(bundle: Bundle) -> Callable[..., EngineKey]:
    """Makes the key of the tiny bundle's backbone on an Orin, with any field changed."""

    def make(graph: GraphName = "backbone", **changes: Any) -> EngineKey:
        fields: dict[str, Any] = {
            "graph": graph,
            "graph_sha256": hashlib.sha256(graph_bytes(bundle, graph)).hexdigest(),
            "library": "tensorrt",
            "library_version": "10.3.0",
            "compute_capabilities": ("8.7",),
            "device": ORIN,
            "precision": "fp32",
            "profiles": engine_profiles(bundle.manifest, graph),
            "workspace_mib": 512,
            "optimisation_level": 3,
        }
        return EngineKey(**{**fields, **changes})

    return make


@pytest.fixture
def put(cache: EngineCache) -> Callable[..., EngineRecord]:
    """Puts an engine of some bytes into the cache."""

    def put_engine(key: EngineKey, plan: bytes = b"plan", created: str = "2026-01-01T00:00:00+00:00") -> EngineRecord:
        record = EngineRecord(
            key=key,
            bundle_name="tiny",
            plan_sha256=hashlib.sha256(plan).hexdigest(),
            size_bytes=len(plan),
            build_seconds=1.0,
            created=created,
            precisions={"fp32": 6},
        )
        cache.store(record, plan)
        return record

    return put_engine
