"""Who does the work: this process, processes of this machine, or a Ray cluster."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from hyperflow.errors import ConfigError, TrainingError
from hyperflow.trajectories.jobs import ShardJob, ShardResult

__all__ = ["RayWorkers", "ThisProcess", "Work", "Workers", "parse_workers"]

Work = Callable[[ShardJob], ShardResult]

_MOST_ATTEMPTS = 4
_AHEAD = 2  # jobs a worker has waiting, so that it need not wait for the next one's images


class Workers(Protocol):
    """Something that does jobs and hands each result over once, in any order."""

    @property
    def n_workers(self) -> int:
        """Jobs that run at the same time."""
        ...

    def results(self, work: Work, jobs: Iterable[ShardJob]) -> Generator[ShardResult, None, None]:
        """Do all jobs; an error in one ends them all."""
        ...


class ThisProcess:
    """One job after the other, here; needs no Ray."""

    n_workers = 1

    def results(self, work: Work, jobs: Iterable[ShardJob]) -> Generator[ShardResult, None, None]:
        for job in jobs:
            yield work(job)


class RayWorkers:
    """Ray tasks of one processor each. A task whose worker dies is started again elsewhere; its result counts once."""

    def __init__(self, *, n_local: int = 0, address: str | None = None) -> None:
        """Start Ray on this machine with `n_local` workers, or join the cluster at `address` when work comes.

        Raises:
            ConfigError: Ray is not installed.
        """
        try:
            import ray
        except ModuleNotFoundError as error:
            raise ConfigError(
                "more than one worker needs Ray, which is not installed; pip install 'hyperflow[simulate]', "
                "or use --workers local:1"
            ) from error
        self._ray: Any = ray
        self._n_local, self._address = n_local, address

    @property
    def n_workers(self) -> int:
        """Processors of the cluster; at least 1."""
        if self._address is None:
            return self._n_local
        with self.connected():
            return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Be connected to Ray inside; it is started when it was not, and then stopped again.

        Raises:
            TrainingError: Ray cannot be reached.
        """
        if self._ray.is_initialized():
            yield
            return
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # Ray makes its workers so nice that they starve beside other work; the command's own niceness is for its user.
        os.environ.setdefault("RAY_worker_niceness", "0")
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            if self._address is None:
                self._ray.init(address="local", num_cpus=self._n_local, include_dashboard=False, **quiet)
            else:
                self._ray.init(address=self._address, **quiet)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError, ImportError) as error:
            where = self._address or f"{self._n_local} local workers"
            raise TrainingError(
                f"cannot reach Ray at {where} ({error}); check that it runs there, and whether it asks for a token: "
                "then set RAY_AUTH_MODE=token"
            ) from error
        try:
            yield
        finally:
            self._ray.shutdown()

    def results(self, work: Work, jobs: Iterable[ShardJob]) -> Generator[ShardResult, None, None]:
        with self.connected():
            ray = self._ray
            shared = ray.put(work)
            do = ray.remote(num_cpus=1, max_retries=_MOST_ATTEMPTS - 1)(_do)
            todo = iter(jobs)
            pending: set[Any] = set()
            room = _AHEAD * self.n_workers
            while True:
                while len(pending) < room and (job := next(todo, None)) is not None:
                    pending.add(do.remote(shared, job))
                if not pending:
                    return
                (done, *_), _ = ray.wait(list(pending), num_returns=1)
                pending.remove(done)
                yield self._get(done)

    def _get(self, done: Any) -> ShardResult:
        try:
            result: ShardResult = self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise TrainingError(
                f"a worker died {_MOST_ATTEMPTS} times over one shard ({type(error).__name__}); "
                "finished shards are kept: find the cause, perhaps memory, and run again with --resume"
            ) from error
        return result


def _do(work: Work, job: ShardJob) -> ShardResult:
    return work(job)


def parse_workers(text: str) -> Workers:
    """Read `local:N` or `ray://HOST:PORT`.

    Raises:
        ConfigError: Neither, or Ray is needed and not installed.
    """
    if re.fullmatch(r"ray://[^\s/:]+:\d+", text):
        return RayWorkers(address=text)
    match = re.fullmatch(r"local:(\d{1,4})", text)
    if match is None or not (n_workers := int(match[1])):
        raise ConfigError(f"workers must be local:N with N at least 1, or ray://HOST:PORT, got {text!r}")
    return ThisProcess() if n_workers == 1 else RayWorkers(n_local=n_workers)
