"""The engine cache: room on its disk, and what of its contents this device can use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from hyperflow_runtime.doctor.finding import Finding
from hyperflow_runtime.engines.cache import EngineCache, runs_on
from hyperflow_runtime.engines.key import DeviceIdentity
from hyperflow_runtime.engines.plan_header import LIBRARY_TITLES, LibraryName
from hyperflow_runtime.engines.record import EngineRecord
from hyperflow_runtime.errors import EngineError

__all__ = ["examine_engine_cache"]

_ENOUGH_BYTES = 2**30


def examine_engine_cache(
    cache: EngineCache, devices: Sequence[DeviceIdentity], libraries: dict[LibraryName, str]
) -> tuple[Finding, ...]:
    """Judge the cache.

    Args:
        cache: Which.
        devices: GPUs at hand.
        libraries: Version of each TensorRT at hand.
    """
    return _folder(cache.folder), *_engines(cache, devices, libraries)


def _folder(folder: Path) -> Finding:
    there = folder
    while not there.is_dir() and there != there.parent:
        there = there.parent
    try:
        free_bytes = shutil.disk_usage(there).free
    except OSError as error:
        advice = "choose another folder: export HYPERFLOW_ENGINE_CACHE=FOLDER"
        return Finding("engine cache", f"{folder} ({error.strerror})", "note", advice)
    value = f"{folder}, {free_bytes / 2**30:.1f} GiB free{'' if there == folder else ', not made yet'}"
    if not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
        advice = "give it to this user, or: export HYPERFLOW_ENGINE_CACHE=FOLDER"
        return Finding("engine cache", f"{value}, not to be written by this user", "note", advice)
    if free_bytes < _ENOUGH_BYTES:
        return Finding("engine cache", value, "note", "free some space before engines are built")
    return Finding("engine cache", value)


def _engines(
    cache: EngineCache, devices: Sequence[DeviceIdentity], libraries: dict[LibraryName, str]
) -> Iterator[Finding]:
    try:
        records = cache.records()
    except EngineError as error:
        what, _, advice = str(error).rpartition("; ")
        yield Finding("engines", what, "problem", advice)
        return
    if not records:
        advice = "to run a bundle in TensorRT, on this device: hyperflow-export engine BUNDLE"
        yield Finding("engines", "none", *(("note", advice) if devices and libraries else ()))
    for record in records:
        yield _engine(cache, record, devices, libraries)


def _engine(
    cache: EngineCache, record: EngineRecord, devices: Sequence[DeviceIdentity], libraries: dict[LibraryName, str]
) -> Finding:
    key = record.key
    made_for = key.device or f"compute capability {', '.join(key.compute_capabilities)}"
    value = (
        f"{record.bundle_name:.80}/{key.graph}.onnx, {LIBRARY_TITLES[key.library]} {key.library_version}, {made_for}, "
        f"{record.size_bytes / 1e6:.1f} MB"
    )
    if not devices or not libraries:
        return Finding("engine", f"{value}; not to be judged without TensorRT and a GPU")
    if libraries.get(key.library) != key.library_version or not any(runs_on(key, device) for device in devices):
        here = ", ".join(f"{LIBRARY_TITLES[name]} {version}" for name, version in libraries.items())
        advice = (
            f"here is {here} on {'; '.join(map(str, devices))}; if nothing else uses it, delete {_files(cache, record)}"
        )
        return Finding("engine", f"{value}; stale", "note", advice)
    test = record.self_test
    if test is None or not any(test.device == device for device in devices):
        return Finding("engine", f"{value}; never compared here", "note", "hyperflow-export verify BUNDLE "
                       "--backend tensorrt, or it is not used")  # fmt: skip
    if not test.passed:
        return Finding("engine", f"{value}; gave wrong results", "problem", "hyperflow-export engine BUNDLE --force")
    return Finding("engine", f"{value}; compared here")


def _files(cache: EngineCache, record: EngineRecord) -> str:
    plan = cache.plan_path(record.key)
    return f"{plan} and {plan.with_suffix('.json').name}"
