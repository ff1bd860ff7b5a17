"""Running a simulation so that nothing finished is ever lost, and nothing is ever counted twice."""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hyperflow.errors import TrainingError
from hyperflow.trajectories.jobs import run_shard
from hyperflow.trajectories.lock import locked
from hyperflow.trajectories.manifest import (
    MANIFEST_NAME,
    Manifest,
    ShardEntry,
    read_manifest,
    write_manifest,
)
from hyperflow.trajectories.plan import Plan, Prediction
from hyperflow.trajectories.shard import read_shard, shard_name
from hyperflow.trajectories.whole_file import replace_file
from hyperflow.trajectories.workers import ThisProcess, Workers

__all__ = ["simulate"]

_SAME = ("config", "logit_scale", "backbone_sha256", "subset", "n_parameters", "n_images", "tasks")
"""Fields of the manifest that a resumed simulation must have in common with the one that was stopped."""


def _resumed(folder: Path, fresh: Manifest, warn: Callable[[str], None]) -> Manifest:
    """The manifest to go on from, without shards that are missing or changed."""
    stored = read_manifest(folder)
    if other := [name for name in _SAME if getattr(stored, name) != getattr(fresh, name)]:
        raise TrainingError(
            f"{folder} was started with another {', '.join(other)}; resume with the checkpoint, data and configuration "
            "it was started with, or name another --out"
        )
    whole: dict[int, ShardEntry] = {}
    for shard, entry in stored.shards.items():
        try:
            read_shard(folder, stored, shard)
            whole[shard] = entry
        except TrainingError as error:
            warn(f"{error.args[0].split(';')[0]}; it is made again")
    return stored.with_shards(whole)


def _check_space(out: Path, prediction: Prediction, manifest: Manifest) -> None:
    needed = prediction.storage_bytes - manifest.cost.storage_bytes
    if (free := shutil.disk_usage(out).free) < needed:
        raise TrainingError(
            f"{out} has {free / 1e9:.2f} GB free, but the trajectories need {needed / 1e9:.2f} GB; "
            "free some space, or keep fewer checkpoints, seeds or tasks"
        )


def _progress(quiet: bool) -> Progress:
    columns = (
        TextColumn("trajectories"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    return Progress(*columns, console=Console(stderr=True), disable=quiet)


def simulate(
    plan: Plan,
    prediction: Prediction,
    out: Path,
    *,
    workers: Workers | None = None,
    resume: bool = False,
    quiet: bool = False,
) -> Manifest:
    """Simulate all trajectories of a plan into a store.

    A shard is written whole, then named in the manifest; a run that is killed loses the shards under way, and --resume
    makes those alone. The bytes of a shard depend neither on interruptions nor on the number of workers, as long as
    their processors are of one kind.

    Args:
        plan: What.
        prediction: Of that plan; its shard size is used for a new store.
        out: Folder of the store; made when absent.
        workers: Who; this process when None.
        resume: Go on with what is in `out`; a folder without a store is started.
        quiet: Show no progress bar.

    Returns:
        The finished manifest.

    Raises:
        TrainingError: The folder holds a store and `resume` is off, or another store; it is being written to; it is
            too small; a worker died again and again; a trajectory is not finite.
    """
    workers = workers or ThisProcess()
    console = Console(stderr=True, quiet=quiet)
    with locked(out):
        manifest = plan.manifest(prediction.shard_trajectories)
        if (out / MANIFEST_NAME).exists():
            if not resume:
                raise TrainingError(f"{out} already holds trajectories; add --resume to go on, or name another folder")
            manifest = _resumed(out, manifest, lambda text: console.print(text, style="yellow"))
        for partial in out.glob(".*.partial"):
            partial.unlink()
        _check_space(out, prediction, manifest)
        write_manifest(out, manifest)
        work = functools.partial(run_shard, plan.model, plan.config)
        n_done = sum(len(manifest.trajectories_of(shard)) for shard in manifest.shards)
        # Closed whatever happens, so that no worker outlives an error.
        with _progress(quiet) as progress, closing(workers.results(work, plan.jobs(manifest))) as results:
            bar = progress.add_task("", total=manifest.n_trajectories, completed=n_done, rate="")
            for result in results:
                replace_file(out / shard_name(result.shard), result.content)
                digest = hashlib.sha256(result.content).hexdigest()
                entry = ShardEntry(digest, len(result.content), result.cpu_seconds)
                manifest = manifest.with_shard(result.shard, entry)
                write_manifest(out, manifest)
                progress.update(bar, advance=len(manifest.trajectories_of(result.shard)))
                speed = progress.tasks[0].speed
                progress.update(bar, rate=f"{speed:.2f}/s" if speed else "")
    return manifest
