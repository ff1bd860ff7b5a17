"""What a benchmark is asked to do."""

from __future__ import annotations

import msgspec

__all__ = ["BenchmarkSettings"]


class BenchmarkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes and repetitions of a benchmark. Results compare only where the sizes and threads are equal.

    Attributes:
        n_way: Classes of the support, at least 2.
        n_shot: Shots a class, at least 1.
        batch: Images in a run of the backbone beside single ones; the whole support by default.
        frame_px: Width and height of the camera's frames.
        repetitions: Timed rounds, at least 1.
        warm_up: Rounds before that.
        n_threads: Threads a run may use on the processor; None for all cores.
    """

    n_way: int = 5
    n_shot: int = 5
    batch: int | None = None
    frame_px: tuple[int, int] = (640, 480)
    repetitions: int = 50
    warm_up: int = 5
    n_threads: int | None = None

    def __post_init__(self) -> None:
        least = {"n_way": 2, "n_shot": 1, "batch": 1, "repetitions": 1, "warm_up": 0, "n_threads": 1}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise ValueError(f"{name} must be at least {smallest}, got {value}")

    @property
    def n_support(self) -> int:
        """Support images."""
        return self.n_way * self.n_shot

    @property
    def batch_size(self) -> int:
        """Images in a run of the backbone beside single ones."""
        return self.n_support if self.batch is None else self.batch
