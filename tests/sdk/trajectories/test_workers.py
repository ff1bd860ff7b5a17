"""Workers: what names them, and that Ray, with workers that die, gives the bytes of a single process."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path

import pytest

from hyperflow.errors import ConfigError, TrainingError
from hyperflow.trajectories.jobs import ShardJob, ShardResult
from hyperflow.trajectories.manifest import Manifest
from hyperflow.trajectories.plan import Plan
from hyperflow.trajectories.workers import RayWorkers, ThisProcess, Work, parse_workers

Simulate = Callable[..., Manifest]


@pytest.fixture(scope="module")
def two_workers() -> Iterator[RayWorkers]:
    """Two processes that Ray runs, kept for all tests of this module."""
    ray = pytest.importorskip("ray")
    workers = RayWorkers(n_local=2)
    with workers.connected():
        yield workers
    assert not ray.is_initialized()


class _Killed(RayWorkers):
    """Each worker that takes shard 1 is killed while `marker` holds fewer than so many characters."""

    def __init__(self, marker: Path, n_times: int) -> None:
        super().__init__(n_local=2)
        self._marker, self._n_times = marker, n_times

    def results(self, work: Work, jobs: Iterable[ShardJob]) -> Generator[ShardResult, None, None]:
        marker, n_times = self._marker, self._n_times

        def dies(job: ShardJob) -> ShardResult:
            if job.shard == 1 and (not marker.exists() or marker.stat().st_size < n_times):
                with marker.open("a") as file:
                    file.write("x")
                os.kill(os.getpid(), signal.SIGKILL)
            return work(job)

        yield from super().results(dies, jobs)


def _shards(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("shard-*"))}


@pytest.mark.slow
def test_two_workers_give_the_bytes_of_one_process(
    two_workers: RayWorkers, simulated: tuple[Path, Manifest, Plan], run: Simulate, tmp_path: Path
) -> None:
    run(tmp_path, workers=two_workers)

    assert _shards(tmp_path) == _shards(simulated[0])


@pytest.mark.slow
def test_a_shard_whose_worker_is_killed_is_made_by_another_and_counts_once(
    two_workers: RayWorkers, simulated: tuple[Path, Manifest, Plan], run: Simulate, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"

    manifest = run(tmp_path / "out", workers=_Killed(marker, 2))

    assert marker.read_text() == "xx"
    assert _shards(tmp_path / "out") == _shards(simulated[0])
    assert sorted(manifest.shards) == [0, 1, 2, 3]


@pytest.mark.slow
def test_a_shard_that_kills_every_worker_ends_the_run_and_keeps_the_others(
    two_workers: RayWorkers, simulated: tuple[Path, Manifest, Plan], run: Simulate, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"a worker died 4 times over one shard .* run again with --resume"):
        run(tmp_path / "out", workers=_Killed(tmp_path / "marker", 100))

    run(tmp_path / "out", resume=True)

    assert _shards(tmp_path / "out") == _shards(simulated[0])


@pytest.mark.slow
def test_an_error_in_a_worker_is_told_as_if_it_had_happened_here(
    two_workers: RayWorkers, run: Simulate, other_plan: Callable[..., Plan], tmp_path: Path
) -> None:
    # The prediction runs seed 0 alone, which starts at theta_0; seed 1 starts beyond what fp16 can hold.
    with pytest.raises(TrainingError, match=r"^a change of .* units does not fit into fp16"):
        run(tmp_path, plan=other_plan(noise=1e6), workers=two_workers)


def test_one_local_worker_needs_no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    assert isinstance(parse_workers("local:1"), ThisProcess)
    with pytest.raises(ConfigError, match=r"needs Ray, which is not installed; pip install 'hyperflow\[simulate\]'"):
        parse_workers("local:2")
    with pytest.raises(ConfigError, match="needs Ray"):
        parse_workers("ray://head:10001")


@pytest.mark.parametrize(
    "text",
    ["", "local", "local:", "local:0", "local:-1", "local:x", "ray://host", "ray://host:x", "http://host:1", "4"],
)
def test_workers_that_are_neither_local_nor_a_cluster_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="workers must be local:N with N at least 1, or ray://HOST:PORT, got"):
        parse_workers(text)
