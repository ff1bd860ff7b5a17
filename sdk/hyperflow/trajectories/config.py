"""What `hyperflow simulate` runs."""

from __future__ import annotations

import msgspec

from hyperflow.datasets.domain_split import DomainSplit
from hyperflow.errors import ConfigError
from hyperflow.teacher.tasks import TaskRule
from hyperflow.teacher.whole_class import Teacher, WholeClassTeacher

__all__ = ["SimulationConfig"]


class SimulationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A simulation: tasks, teacher, and what is kept of each trajectory.

    Attributes:
        split: The same as in training; tasks come from the refinement classes alone.
        tasks: Which tasks.
        teacher: What each step learns from.
        n_seeds: Trajectories of each task.
        noise: Deviation of the start from theta_0, in units, for every seed but the first, which starts where a device
            does: at theta_0.
        checkpoints: Steps at which a trajectory is kept, rising from 0; the last is the number of steps. `(0, 25)`
            keeps the end points alone, all that linear interpolation needs.
        learning_rate: Of Adam, in units a step.
        logit_scale: Factor from cosine to logit; the model's own when None.
        max_images: Most images of a class that the teacher sees.
        shard_trajectories: Trajectories in a file; sized to half a minute of work when None.

    Raises:
        ConfigError: A value that cannot work.
    """

    split: DomainSplit = msgspec.field(default_factory=DomainSplit)
    tasks: TaskRule = msgspec.field(default_factory=TaskRule)
    teacher: Teacher = msgspec.field(default_factory=WholeClassTeacher)
    n_seeds: int = 4
    noise: float = 0.02
    checkpoints: tuple[int, ...] = (0, 5, 10, 15, 20, 25)
    learning_rate: float = 3e-3
    logit_scale: float | None = None
    max_images: int = 200
    shard_trajectories: int | None = None

    def __post_init__(self) -> None:
        rising = all(before < after for before, after in zip(self.checkpoints, self.checkpoints[1:], strict=False))
        if len(self.checkpoints) < 2 or self.checkpoints[0] != 0 or not rising:
            raise ConfigError(f"checkpoints must rise from 0 to the number of steps, got {self.checkpoints}")
        if self.n_seeds < 1 or self.noise < 0 or self.learning_rate <= 0:
            raise ConfigError(
                "n_seeds must be at least 1, noise at least 0 and learning_rate above 0, "
                f"got {self.n_seeds}, {self.noise}, {self.learning_rate}"
            )
        if self.logit_scale is not None and self.logit_scale <= 0:
            raise ConfigError(f"logit_scale must be above 0, got {self.logit_scale}")
        if self.max_images < 2 or (self.shard_trajectories is not None and self.shard_trajectories < 1):
            raise ConfigError(
                "max_images must be at least 2 and shard_trajectories at least 1, "
                f"got {self.max_images}, {self.shard_trajectories}"
            )

    @property
    def n_steps(self) -> int:
        """Adam steps of a trajectory."""
        return self.checkpoints[-1]
