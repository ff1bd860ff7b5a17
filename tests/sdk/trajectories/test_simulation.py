"""Simulating into a store: what is kept, that it can be stopped anywhere, and what it refuses."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from hyperflow.datasets.domain_split import DomainSplit
from hyperflow.datasets.packing import pack_domains
from hyperflow.errors import ConfigError, DataError, TrainingError
from hyperflow.images.packed import PackedSet
from hyperflow.teacher.tasks import Task
from hyperflow.trajectories.config import SimulationConfig
from hyperflow.trajectories.jobs import ShardJob, ShardResult, TrajectoryJob, simulate_trajectory, task_pixels
from hyperflow.trajectories.manifest import Manifest, read_manifest
from hyperflow.trajectories.plan import Plan, make_plan, predict
from hyperflow.trajectories.shard import encode_shard
from hyperflow.trajectories.simulation import simulate
from hyperflow.trajectories.store import open_trajectories
from hyperflow.trajectories.workers import ThisProcess, Work

Simulate = Callable[..., Manifest]


def _shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("shard-*"))}


class _StopsAfter(ThisProcess):
    """Is interrupted after some shards."""

    def __init__(self, n_shards: int) -> None:
        self._n_shards = n_shards

    def results(self, work: Work, jobs: Iterable[ShardJob]) -> Generator[ShardResult, None, None]:
        for n_done, result in enumerate(super().results(work, jobs)):
            if n_done == self._n_shards:
                raise KeyboardInterrupt
            yield result


class _Counts(ThisProcess):
    """Notes which shards it was given."""

    def __init__(self) -> None:
        self.shards: list[int] = []

    def results(self, work: Work, jobs: Iterable[ShardJob]) -> Generator[ShardResult, None, None]:
        for job in jobs:
            self.shards.append(job.shard)
            yield work(job)


def test_a_store_holds_every_trajectory_of_every_task(simulated: tuple[Path, Manifest, Plan]) -> None:
    folder, manifest, plan = simulated
    store = open_trajectories(folder, plan.model)

    assert len(store) == manifest.n_trajectories == 18
    assert sorted(_shards(folder)) == [f"shard-00000{i}.safetensors" for i in range(4)]
    assert store.times.tolist() == pytest.approx([0, 1 / 3, 1])
    for index in range(len(store)):
        record, job = store.task(index), plan.trajectory_job(index)
        assert (record.set_name, record.class_names) == (job.task.set_name, job.task.class_names)
        assert (record.task, record.seed) == divmod(index, 2)
        expected = simulate_trajectory(plan.model, plan.config, job)
        assert store.points(index).shape == (3, len(plan.model.backbone.theta_0))
        assert torch.equal(store.points(index), expected.half().float())
        torch.testing.assert_close(store.points(index), expected, rtol=1e-3, atol=1e-6)
    with pytest.raises(IndexError, match="trajectory 18 of 18"):
        store.points(18)


def test_the_first_seed_starts_at_theta_0_and_the_others_in_noise_around_it(
    simulated: tuple[Path, Manifest, Plan],
) -> None:
    store = open_trajectories(simulated[0], simulated[2].model)

    assert all(store.points(index)[0].abs().max() == 0 for index in range(0, 18, 2))
    starts = torch.stack([store.points(index)[0] for index in range(1, 18, 2)])
    assert starts.std().item() == pytest.approx(0.05, rel=0.1)
    assert not torch.equal(starts[0], starts[1])
    assert all(store.points(index).diff(dim=0).abs().max() > 1e-3 for index in range(18))


def test_tasks_never_use_classes_that_meta_validation_or_pretraining_has(
    simulated: tuple[Path, Manifest, Plan], shape_sets: Path, cache: Path
) -> None:
    _, manifest, plan = simulated
    domains = pack_domains(shape_sets, plan.model.config.preprocessing, cache, size_px=36, quiet=True)
    parts = plan.config.split.apply(domains)
    taught = {(domain.name, name) for domain in parts.pretraining for name in domain.class_names}

    used = {(task.set_name, name) for task in manifest.tasks for name in task.class_names}
    assert "triangle" not in {set_name for set_name, _ in used}
    assert not used & taught
    assert len(taught) > 4


def test_the_manifest_says_what_was_run_and_what_it_took(simulated: tuple[Path, Manifest, Plan]) -> None:
    folder, _, plan = simulated
    manifest = read_manifest(folder)

    assert manifest.config == plan.config
    assert (manifest.n_parameters, manifest.subset) == (len(plan.model.backbone.theta_0), "affine")
    assert manifest.logit_scale == plan.model.config.device.logit_scale
    assert manifest.cost.storage_bytes == sum(map(len, _shards(folder).values()))
    assert manifest.cost.cpu_hours > 0
    assert not list(folder.glob(".*.partial"))


def test_the_predicted_size_is_that_of_the_shards_without_their_headers(
    simulated: tuple[Path, Manifest, Plan],
) -> None:
    _, manifest, plan = simulated
    prediction = predict(plan, n_workers=4)

    assert 0 <= manifest.cost.storage_bytes - prediction.storage_bytes < 200 * manifest.n_shards
    assert (prediction.trajectories, prediction.n_workers) == (18, 4)
    assert min(prediction.hours, prediction.cpu_hours) > 0


def test_shards_are_sized_to_half_a_minute_of_work_and_to_memory(other_plan: Callable[..., Plan]) -> None:
    sized = predict(other_plan(shard_trajectories=None), n_workers=1)

    assert sized.shard_trajectories == 18  # all of it takes less than half a minute


@pytest.mark.parametrize("n_done", [0, 2])
def test_an_interrupted_simulation_goes_on_with_what_is_missing_and_ends_in_the_same_bytes(
    simulated: tuple[Path, Manifest, Plan], run: Simulate, tmp_path: Path, n_done: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, workers=_StopsAfter(n_done))
    assert len(_shards(tmp_path)) == n_done
    (tmp_path / ".shard-000009.safetensors.partial").write_bytes(b"torn")

    workers = _Counts()
    run(tmp_path, workers=workers, resume=True)

    assert workers.shards == list(range(n_done, 4))
    assert _shards(tmp_path) == _shards(simulated[0])
    assert not list(tmp_path.glob(".*.partial"))


def test_an_unfinished_store_is_not_opened(plan: Plan, run: Simulate, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, workers=_StopsAfter(1))

    with pytest.raises(TrainingError, match="holds 1 of 4 shards; finish it with hyperflow simulate --resume"):
        open_trajectories(tmp_path, plan.model)


@pytest.mark.parametrize("damage", ["deleted", "cut", "flipped"])
def test_resuming_makes_a_missing_or_changed_shard_again_and_no_other(
    simulated: tuple[Path, Manifest, Plan], run: Simulate, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    damage: str,
) -> None:  # fmt: skip
    folder = Path(shutil.copytree(simulated[0], tmp_path / "copy"))
    spoilt = folder / "shard-000002.safetensors"
    content = bytearray(spoilt.read_bytes())
    content[-1] ^= 1
    spoilt.unlink() if damage == "deleted" else spoilt.write_bytes(content[:50] if damage == "cut" else content)

    workers = _Counts()
    run(folder, workers=workers, resume=True, quiet=False)

    assert workers.shards == [2]
    assert _shards(folder) == _shards(simulated[0])
    assert "it is made again" in " ".join(capsys.readouterr().err.split())


def test_resuming_a_finished_store_does_nothing(
    simulated: tuple[Path, Manifest, Plan], run: Simulate, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(simulated[0], tmp_path / "copy"))
    workers = _Counts()

    assert run(folder, workers=workers, resume=True) == simulated[1]
    assert workers.shards == []


def test_a_folder_that_holds_trajectories_is_refused(simulated: tuple[Path, Manifest, Plan], run: Simulate) -> None:
    with pytest.raises(TrainingError, match="already holds trajectories; add --resume to go on"):
        run(simulated[0])


def test_another_simulation_cannot_resume(
    simulated: tuple[Path, Manifest, Plan], run: Simulate, other_plan: Callable[..., Plan]
) -> None:
    with pytest.raises(TrainingError, match="was started with another config; resume with the checkpoint, data and"):
        run(simulated[0], plan=other_plan(noise=0.3), resume=True)


def test_a_folder_takes_one_simulation_at_a_time(run: Simulate, tmp_path: Path) -> None:
    hold = (
        "import sys, pathlib; from hyperflow.trajectories.lock import locked\n"
        "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TrainingError, match=r"another simulation is writing to .*; wait for it, or name another"):
            run(tmp_path)
        other.kill()

    assert run(tmp_path).n_trajectories == 18  # the system let go of the folder when its holder was killed


def test_a_full_disk_ends_the_run_with_the_finished_shards_kept(
    simulated: tuple[Path, Manifest, Plan], run: Simulate, tmp_path: Path
) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    manifest_bytes = (simulated[0] / "manifest.json").stat().st_size
    # The manifest fits while it names no shard; the first line more does not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (manifest_bytes - 300, limit[1]))
    try:
        with pytest.raises(TrainingError, match=r"cannot write .*; free some space and run again with --resume"):
            run(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(tmp_path.glob(".*.partial"))

    run(tmp_path, resume=True)

    assert _shards(tmp_path) == _shards(simulated[0])


def test_a_disk_that_is_too_small_is_noticed_before_the_start(plan: Plan, run: Simulate, tmp_path: Path) -> None:
    huge = msgspec.structs.replace(predict(plan, n_workers=1), storage_bytes=10**18)

    with pytest.raises(TrainingError, match=r"GB free, but the trajectories need 1000000000.00 GB"):
        simulate(plan, huge, tmp_path, quiet=True)

    assert not (tmp_path / "manifest.json").exists()


def test_a_folder_that_cannot_be_made_is_refused(run: Simulate, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(TrainingError, match=r"cannot write to .*name another --out"):
        run(tmp_path / "file/out")


def test_a_trajectory_that_is_not_finite_names_its_task_and_step(
    run: Simulate, other_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    run_away = other_plan(learning_rate=1e30)

    with pytest.raises(TrainingError, match=r"seed 0 of the task colour\d.* of \w+: fine-tuning step \d: .*not finite"):
        simulate_trajectory(run_away.model, run_away.config, run_away.trajectory_job(0))


def test_a_change_that_fp16_cannot_hold_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"change of 70000.0 units does not fit into fp16; lower the learning rate"):
        encode_shard(torch.tensor([[[0.0, 7e4]]]))


def test_a_class_of_one_image_is_refused_where_the_work_is_done(plan: Plan) -> None:
    job = plan.trajectory_job(0)
    single = TrajectoryJob(job.task, 0, [job.pixels[0], job.pixels[1][:1]])

    with pytest.raises(DataError, match="every class of a task needs 2 images or more"):
        simulate_trajectory(plan.model, plan.config, single)


def test_no_more_images_of_a_class_travel_than_asked_for() -> None:
    pixels = np.arange(30, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    domain = PackedSet("set", ("a", "b", "c"), tuple(np.split(np.arange(30), [10, 13])), pixels)
    task = Task("set", ("c", "b"), seed=7)

    c, b = task_pixels(domain, task, 5)

    assert (len(c), len(b)) == (5, 3)
    assert c.min() >= 13
    assert len(set(c[:, 0, 0, 0].tolist())) == 5
    assert b[:, 0, 0, 0].tolist() == [10, 11, 12]
    assert np.array_equal(task_pixels(domain, task, 5)[0], c)


def test_a_split_that_leaves_nothing_is_refused(
    config: SimulationConfig, checkpoint: Path, shape_sets: Path, cache: Path
) -> None:
    empty = msgspec.structs.replace(config, split=DomainSplit(pretraining_share=1.0))

    with pytest.raises(DataError, match="leaves no classes for refinement"):
        make_plan(empty, checkpoint, shape_sets, cache=cache, quiet=True)


@pytest.mark.parametrize(
    "values",
    [
        {"checkpoints": (0,)},
        {"checkpoints": (1, 5)},
        {"checkpoints": (0, 5, 5)},
        {"n_seeds": 0},
        {"noise": -0.1},
        {"learning_rate": 0.0},
        {"logit_scale": -1.0},
        {"max_images": 1},
        {"shard_trajectories": 0},
    ],
    ids=str,
)
def test_a_configuration_that_cannot_work_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        SimulationConfig(**values)  # type: ignore[arg-type]
