"""Which engines of the cache a device may run for a bundle, or why none."""

from __future__ import annotations

import hashlib

from hyperflow_runtime.bundle.reader import Bundle
from hyperflow_runtime.engines.cache import EngineCache
from hyperflow_runtime.engines.key import DeviceIdentity, GraphName
from hyperflow_runtime.engines.plan_header import LIBRARY_TITLES, LibraryName
from hyperflow_runtime.engines.record import EngineRecord
from hyperflow_runtime.errors import EngineError

__all__ = ["GRAPHS", "choose_engine", "engines_of", "graph_bytes", "has_engines"]

GRAPHS: tuple[GraphName, ...] = ("backbone", "adapt")


def graph_bytes(bundle: Bundle, graph: GraphName) -> bytes:
    """Bytes of one of the bundle's graphs."""
    return bundle.backbone_onnx if graph == "backbone" else bundle.adapt_onnx


def _sha256(bundle: Bundle, graph: GraphName) -> str:
    return hashlib.sha256(graph_bytes(bundle, graph)).hexdigest()


def engines_of(bundle: Bundle, cache: EngineCache) -> list[EngineRecord]:
    """All engines of a bundle's graphs, for any device and library, the newest first.

    Raises:
        EngineError: The cache may be written by others.
    """
    hashes = {_sha256(bundle, graph) for graph in GRAPHS}
    return [record for record in cache.records() if record.key.graph_sha256 in hashes]


def has_engines(bundle: Bundle, cache: EngineCache) -> bool:
    """Whether the cache holds engines of both graphs for any device and library: a cheap first look.

    Raises:
        EngineError: The cache may be written by others.
    """
    return {record.key.graph for record in engines_of(bundle, cache)} == set(GRAPHS)


def choose_engine(
    bundle: Bundle, graph: GraphName, cache: EngineCache, *,
    library: LibraryName, version: str, device: DeviceIdentity, tested_only: bool = True,
) -> EngineRecord:  # fmt: skip
    """Find the newest engine of a graph that may run here.

    Args:
        bundle: Whose graph.
        graph: Which of the two.
        cache: Where to look.
        library: Module that is to run it.
        version: Its version in full.
        device: Where it is to run.
        tested_only: Take only engines whose results were compared on this device; False is for that comparison.

    Raises:
        EngineError: There is none, or its results were never compared here, or differed.
    """
    record = cache.newest(graph, _sha256(bundle, graph), library, version, device)
    if record is None:
        raise EngineError(
            f"no engine of {bundle.path}/{graph}.onnx for {LIBRARY_TITLES[library]} {version} on {device} "
            f"({_what_there_is(bundle, graph, cache)}); build it on this device: hyperflow-export engine {bundle.path}"
        )
    if tested_only:
        _check_tested(record, bundle, device)
    return record


def _check_tested(record: EngineRecord, bundle: Bundle, device: DeviceIdentity) -> None:
    test = record.self_test
    if test is None or test.device != device:
        raise EngineError(
            f"the engine of {bundle.path}/{record.key.graph}.onnx was never compared on {device}; "
            f"hyperflow-export verify {bundle.path} --backend tensorrt"
        )
    if not test.passed:
        raise EngineError(
            f"the engine of {bundle.path}/{record.key.graph}.onnx gave other results than the bundle's reference data "
            f"on {device}, so it is not used; hyperflow-export engine {bundle.path} --force, or --backend onnxruntime"
        )


def _what_there_is(bundle: Bundle, graph: GraphName, cache: EngineCache) -> str:
    sha256 = _sha256(bundle, graph)
    others = [record.key for record in cache.records() if record.key.graph_sha256 == sha256]
    if not others:
        return f"none at all in {cache.folder}"
    described = {
        f"{LIBRARY_TITLES[key.library]} {key.library_version} on {key.device or ', '.join(key.compute_capabilities)}"
        for key in others
    }
    return f"there are engines of {'; '.join(sorted(described))}"
