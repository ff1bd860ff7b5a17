"""TensorRT's timing cache: what it measured of kernels in earlier builds on the same device with the same version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hyperflow_runtime.backends.tensorrt.logger import MessageLog
from hyperflow_runtime.engines.folder import check_owner, write_whole

__all__ = ["attach_timing_cache", "save_timing_cache"]

_MAX_BYTES = 2**28


def attach_timing_cache(config: Any, path: Path, log: MessageLog) -> None:
    """Give a build the cache of earlier ones; a torn or foreign one counts as none.

    Args:
        config: Of the build.
        path: Where the cache lies, or will.
        log: Of the library; what it says of a foreign cache is forgotten.

    Raises:
        EngineError: The folder may be written by others.
    """
    check_owner(path.parent)
    earlier = _read(path)
    if not _attach(config, earlier):
        _attach(config, b"")
    log.clear()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.stat().st_size <= _MAX_BYTES else b""
    except OSError:
        return b""


def _attach(config: Any, data: bytes) -> bool:
    cache = config.create_timing_cache(data)
    # TensorRT compares the cache with this device and version, and answers False when it is of another.
    return cache is not None and bool(config.set_timing_cache(cache, False))


def save_timing_cache(config: Any, path: Path) -> None:
    """Keep what a build measured.

    Raises:
        EngineError: The folder cannot be written.
    """
    cache = config.get_timing_cache()
    data = cache.serialize() if cache is not None else None
    if data is not None:
        write_whole(path, bytes(data))
