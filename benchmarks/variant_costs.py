"""Cost of each way to give the backbone its theta, against constant weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click
import msgspec
import numpy as np
from bare_session import open_bare_session
from numpy.typing import NDArray
from theta_variants import theta_variants
from timing import Times, time_in_turns

from hyperflow_runtime.bundle.reader import Bundle

__all__ = ["VariantCost", "measure_variants"]

_MIN_ROUNDS = 30
_TOLERANCE = 1e-3


class VariantCost(msgspec.Struct, frozen=True):
    """Time of one variant (see theta_variants.py) at one batch size.

    Attributes:
        variant: Which.
        batch: Images a run.
        median_ms: Middle time of a run.
        p95_ms: 95th percentile.
        fastest_ms: Least time.
        over_constant: Ratio to constant weights, the middle of the ratios within each round.
        fastest_over_constant: Ratio of the least times, which other programs disturb less.
    """

    variant: str
    batch: int
    median_ms: float
    p95_ms: float
    fastest_ms: float
    over_constant: float
    fastest_over_constant: float


def _check_same(features: dict[str, NDArray[np.float32]]) -> None:
    expected = features["constant"]
    for name, found in features.items():
        error = float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-6))
        if not error <= _TOLERANCE:
            raise click.ClickException(f"variant {name!r} computes other features (off by {error:.2g} of the largest)")


def _cost(name: str, batch: int, times: Times) -> VariantCost:
    return VariantCost(
        variant=name,
        batch=batch,
        median_ms=times.median_ms(name),
        p95_ms=times.p95_ms(name),
        fastest_ms=times.fastest_ms(name),
        over_constant=times.ratio(name, "constant"),
        fastest_over_constant=times.fastest_ms(name) / times.fastest_ms("constant"),
    )


def measure_variants(
    bundle: Bundle, batches: Sequence[int], *, n_threads: int, repetitions: int, seed: int
) -> list[VariantCost]:
    """Time all variants in turns, one batch size after another, after checking that they compute the same.

    Args:
        bundle: Whose backbone, at theta_0.
        batches: Images a run.
        n_threads: Threads a run may use.
        repetitions: Rounds that count at batch 1; larger batches get fewer, but no less than 30 if asked.
        seed: Of the images.
    """
    variants = theta_variants(bundle.backbone_onnx, bundle.theta_0)
    sessions = {name: open_bare_session(variant.model, n_threads) for name, variant in variants.items()}
    side, rng = bundle.manifest.preprocessing.size_px, np.random.default_rng(seed)
    costs = []
    for batch in batches:
        images = rng.standard_normal((batch, 3, side, side), dtype=np.float32)

        def call(name: str, images: NDArray[np.float32] = images) -> Callable[[], NDArray[np.float32]]:
            feeds = {"images": images, **variants[name].feeds}
            return lambda: np.asarray(sessions[name].run(None, feeds)[0])

        calls = {name: call(name) for name in variants}
        _check_same({name: run() for name, run in calls.items()})
        rounds = max(min(_MIN_ROUNDS, repetitions), repetitions // batch)
        times = time_in_turns(calls, rounds, warm_up=min(5, rounds))
        costs += [_cost(name, batch, times) for name in calls]
    return costs
