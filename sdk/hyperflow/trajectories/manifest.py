"""The manifest of a trajectory store: what was simulated, from which backbone, and what each shard must be."""

from __future__ import annotations

from pathlib import Path

import msgspec

from hyperflow.adapted.subset import Subset, SubsetRule
from hyperflow.errors import ConfigError, TrainingError
from hyperflow.teacher.tasks import Task
from hyperflow.trajectories.config import SimulationConfig
from hyperflow.trajectories.whole_file import replace_file

__all__ = ["MANIFEST_NAME", "Cost", "Manifest", "ShardEntry", "read_manifest", "write_manifest"]

MANIFEST_NAME = "manifest.json"
SCHEMA = 1
_MAX_BYTES = 256 * 2**20


class ShardEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A finished shard.

    Attributes:
        sha256: Of the file, hexadecimal.
        size_bytes: Of the file.
        cpu_seconds: Processor time that its trajectories took.
    """

    sha256: str
    size_bytes: int
    cpu_seconds: float


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the simulation took, once; the drift is trained on it as often as wanted.

    Attributes:
        cpu_hours: Processor time of all finished trajectories.
        gpu_hours: No part of it runs on a GPU.
        storage_bytes: Of all finished shards.
    """

    cpu_hours: float = 0.0
    gpu_hours: float = 0.0
    storage_bytes: int = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about a store but the numbers.

    Trajectory i is seed `i % n_seeds` of task `i // n_seeds`; shard s holds `shard_trajectories` of them from
    `s * shard_trajectories` on.

    Attributes:
        schema: Version of this layout.
        config: What was run; has noise, learning rate, checkpoints, seeds and the kind of teacher.
        logit_scale: Factor from cosine to logit that was used.
        backbone_sha256: What `fingerprint.backbone_sha256` said of the model.
        subset: Which parameters were adapted.
        n_parameters: Length P of theta.
        shard_trajectories: Trajectories in a shard; the last may have fewer.
        n_images: Images of each set that tasks came from.
        tasks: All tasks.
        shards: Finished shards by number.
        cost: Of the finished shards.
    """

    config: SimulationConfig
    logit_scale: float
    backbone_sha256: str
    subset: SubsetRule | Subset
    n_parameters: int
    shard_trajectories: int
    n_images: dict[str, int]
    tasks: tuple[Task, ...]
    shards: dict[int, ShardEntry] = msgspec.field(default_factory=dict)
    cost: Cost = msgspec.field(default_factory=Cost)
    schema: int = SCHEMA

    @property
    def n_trajectories(self) -> int:
        """Trajectories of the whole simulation, finished or not."""
        return len(self.tasks) * self.config.n_seeds

    @property
    def n_shards(self) -> int:
        """Shards of the whole simulation, finished or not."""
        return -(-self.n_trajectories // self.shard_trajectories)

    def trajectories_of(self, shard: int) -> range:
        """Numbers of the trajectories that a shard holds."""
        first = shard * self.shard_trajectories
        return range(first, min(first + self.shard_trajectories, self.n_trajectories))

    def with_shard(self, shard: int, entry: ShardEntry) -> Manifest:
        """The same with one more finished shard."""
        return self.with_shards({**self.shards, shard: entry})

    def with_shards(self, shards: dict[int, ShardEntry]) -> Manifest:
        """The same with these finished shards, and the cost that they add up to."""
        cost = Cost(
            cpu_hours=sum(entry.cpu_seconds for entry in shards.values()) / 3600,
            storage_bytes=sum(entry.size_bytes for entry in shards.values()),
        )
        return msgspec.structs.replace(self, shards=shards, cost=cost)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest of a store.

    Raises:
        TrainingError: It cannot be written.
    """
    replace_file(folder / MANIFEST_NAME, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a store.

    Raises:
        TrainingError: Missing, unreadable, or of another schema.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise TrainingError(f"{path} has more than {_MAX_BYTES} bytes; that is no manifest of trajectories")
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise TrainingError(f"no trajectories at {folder} ({error}); make some with hyperflow simulate") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, ConfigError) as error:
        raise TrainingError(f"{path} is not a manifest of trajectories ({error}); simulate again") from error
    if manifest.schema != SCHEMA or manifest.shard_trajectories < 1 or not manifest.tasks:
        raise TrainingError(
            f"{path} has schema {manifest.schema}, {manifest.shard_trajectories} trajectories a shard and "
            f"{len(manifest.tasks)} tasks, expected schema {SCHEMA} and at least 1 of each; simulate again"
        )
    return manifest
