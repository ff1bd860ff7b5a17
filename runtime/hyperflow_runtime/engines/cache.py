"""The engine cache: a folder of plans, each with a record of what it is.

A plan's file holds the bytes that TensorRT made and nothing else, so `trtexec --loadEngine` reads it too. Files are
named by the hash of the key; no name that a record holds is ever used as a path.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from hyperflow_runtime.engines.folder import check_owner, write_whole
from hyperflow_runtime.engines.key import DeviceIdentity, EngineKey, GraphName
from hyperflow_runtime.engines.plan_header import LibraryName
from hyperflow_runtime.engines.record import EngineRecord, SelfTest
from hyperflow_runtime.errors import EngineError

__all__ = ["EngineCache", "default_cache_folder"]

_MAX_RECORD_BYTES = 2**20


def default_cache_folder() -> Path:
    """Folder of the cache: `$HYPERFLOW_ENGINE_CACHE`, else `hyperflow/engines` in the user's cache folder."""
    if named := os.environ.get("HYPERFLOW_ENGINE_CACHE"):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "hyperflow" / "engines"


class EngineCache:
    """Engines of any number of bundles, devices and versions. Several processes may use one cache."""

    def __init__(self, folder: str | Path | None = None) -> None:
        """Use a folder, which need not exist yet.

        Args:
            folder: None for `default_cache_folder()`.
        """
        self.folder = default_cache_folder() if folder is None else Path(folder)

    def plan_path(self, key: EngineKey) -> Path:
        """Where the plan of a key lies, or would."""
        return self.folder / f"{key.graph}-{key.digest}.plan"

    def lock_path(self, key: EngineKey) -> Path:
        """File that whoever builds this engine holds a lock on."""
        return self.folder / f"{key.graph}-{key.digest}.lock"

    def timing_path(self, library: LibraryName, version: str, device: DeviceIdentity) -> Path:
        """Where TensorRT's timing cache of one device and version lies, or would."""
        name = hashlib.sha256(msgspec.json.encode([library, version, device])).hexdigest()[:32]
        return self.folder / f"timing-{name}.cache"

    def _record_path(self, key: EngineKey) -> Path:
        return self.plan_path(key).with_suffix(".json")

    def records(self) -> list[EngineRecord]:
        """All engines with a readable record, the newest first; what cannot be read is as good as absent.

        Raises:
            EngineError: The folder may be written by others, who could put anything there.
        """
        check_owner(self.folder)
        records = (self._read_record(path) for path in self.folder.glob("*.json"))
        return sorted((record for record in records if record is not None), key=lambda r: r.created, reverse=True)

    def _read_record(self, path: Path) -> EngineRecord | None:
        try:
            if path.stat().st_size > _MAX_RECORD_BYTES or not path.is_file():
                return None
            record = msgspec.json.decode(path.read_bytes(), type=EngineRecord)
        except (OSError, ValueError):  # msgspec's errors are ValueErrors
            return None
        return record if path == self._record_path(record.key) else None

    def find(self, key: EngineKey) -> EngineRecord | None:
        """Record of an engine built for exactly this key, or None.

        Raises:
            EngineError: As `records`.
        """
        check_owner(self.folder)
        return self._read_record(self._record_path(key))

    def why_absent(self, key: EngineKey) -> str:
        """Say why `find` has nothing: the engine most alike, and what differs from it.

        Raises:
            EngineError: As `records`.
        """
        alike = [record.key for record in self.records() if record.key.graph == key.graph]
        if not alike:
            return f"no engine of {key.graph}.onnx in {self.folder}"
        differences = min((key.differences(other) for other in alike), key=len)
        return "; ".join(differences)

    def read_plan(self, record: EngineRecord) -> bytes:
        """Read the plan of a record and hash those very bytes.

        Raises:
            EngineError: Missing, torn or changed.
        """
        path = self.plan_path(record.key)
        try:
            size = path.stat().st_size
            data = path.read_bytes() if size == record.size_bytes else b""
        except OSError as error:
            raise EngineError(
                f"{path} cannot be read ({error.strerror}); build it again: hyperflow-export engine"
            ) from error
        if size != record.size_bytes or hashlib.sha256(data).hexdigest() != record.plan_sha256:
            raise EngineError(
                f"{path} is torn or was changed: {size} bytes, expected {record.size_bytes} with hash "
                f"{record.plan_sha256[:12]}; build it again: hyperflow-export engine --force"
            )
        return data

    def store(self, record: EngineRecord, plan: bytes) -> None:
        """Put an engine in the cache, in the place of one with the same key; its record comes last and counts.

        Raises:
            EngineError: The folder cannot be written, or the disk is full; what was there is untouched.
        """
        write_whole(self.plan_path(record.key), plan)
        self._rewrite(record)

    def set_self_test(self, record: EngineRecord, self_test: SelfTest) -> EngineRecord:
        """Note how an engine's results compared, and give back the new record.

        Raises:
            EngineError: As `store`.
        """
        return self._rewrite(msgspec.structs.replace(record, self_test=self_test))

    def prefer(self, record: EngineRecord, now: str) -> EngineRecord:
        """Make an engine the newest, so that it is used before others of the same graph, and give back its new record.

        Args:
            record: Of the engine.
            now: UTC, ISO 8601.

        Raises:
            EngineError: As `store`.
        """
        return self._rewrite(msgspec.structs.replace(record, created=now))

    def _rewrite(self, record: EngineRecord) -> EngineRecord:
        write_whole(self._record_path(record.key), msgspec.json.format(msgspec.json.encode(record), indent=2))
        return record

    def newest(
        self, graph: GraphName, graph_sha256: str, library: LibraryName, version: str, device: DeviceIdentity
    ) -> EngineRecord | None:
        """Newest engine of a graph that a library at hand can run on a device, tested or not.

        Args:
            graph: Which graph.
            graph_sha256: Hash of its bytes.
            library: Module that is to run it.
            version: Its version in full.
            device: Where.

        Raises:
            EngineError: As `records`.
        """
        for record in self.records():
            key = record.key
            is_of = (key.graph, key.graph_sha256, key.library, key.library_version)
            if is_of == (graph, graph_sha256, library, version) and runs_on(key, device):
                return record
        return None


def runs_on(key: EngineKey, device: DeviceIdentity) -> bool:
    """Whether an engine may run on a device: the one it was built on, or any of its capabilities if ahead of time."""
    if key.device is not None:
        return key.device == device
    return device.compute_capability in key.compute_capabilities
