"""Costs: multiply-accumulates that can be counted by hand, memory that can be foreseen, and frames that are kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from hyperflow.evaluation.costs import measure_costs
from hyperflow.evaluation.frame_cache import FrameCache
from hyperflow.evaluation.methods import ALL_METHODS, Task
from hyperflow.evaluation.peak_memory import PeakMemory, returning_freed_memory
from hyperflow.evaluation.recipes import Recipes
from hyperflow.images.image_set import ImageSet, open_image_set
from hyperflow.model import HyperFlow
from hyperflow.teacher.fine_tuning import FineTuning


def _convolution_macs(model: HyperFlow, n_images: int) -> int:
    """Of one forward pass, from the shapes of the convolutions."""
    found: list[int] = []

    def count(module: torch.nn.Conv2d, _: object, output: torch.Tensor) -> None:
        found.append(output.numel() * module.weight[0].numel())

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    side = model.config.preprocessing.size_px
    with torch.no_grad():
        model.encode(torch.zeros(n_images, 3, side, side))
    for hook in hooks:
        hook.remove()
    return sum(found)


def test_multiply_accumulates_of_direct_transfer_are_those_of_the_convolutions_and_the_prototypes(
    tiny_model: HyperFlow, make_subject, make_task
) -> None:
    subject = make_subject()
    task = make_task(subject)

    costs = measure_costs(subject, task, ("direct",))

    n, dim = len(task.support), tiny_model.backbone.feature_dim
    assert costs["direct"].macs == _convolution_macs(tiny_model, n) + 8 * n * dim


def test_steps_of_fine_tuning_cost_alike_and_more_than_the_drift(make_subject, make_task) -> None:
    subject = make_subject(Recipes(FineTuning("subset", 4), FineTuning("all", 4)), step_size=1.0)
    task = make_task(subject)

    costs = measure_costs(subject, task, ALL_METHODS)

    for method in ("subset_tuning", "full_tuning"):
        with FlopCounterMode(display=False) as counter:
            subject.answer(Task(task.support, task.labels, task.queries[:1], 8), ("direct", method))
        assert costs[method].macs < counter.get_total_flops() / 2 < costs[method].macs + 1.1 * costs["direct"].macs
    macs = [costs[method].macs for method in ("direct", "adapted", "guarded", "subset_tuning", "full_tuning")]
    assert macs == sorted(set(macs))
    assert costs["full_tuning"].macs > 4 * costs["direct"].macs


@pytest.mark.parametrize("n_mb", [20, 60])
def test_memory_that_was_freed_before_is_counted_when_it_is_used_again(n_mb: int) -> None:
    with returning_freed_memory():
        np.ones(100_000_000, dtype=np.uint8).sum()
        with PeakMemory() as memory:
            np.ones(n_mb * 1_000_000, dtype=np.uint8).sum()

    assert memory.increase_mb == pytest.approx(n_mb, abs=4)


@pytest.fixture
def count_frames() -> tuple[Callable[[Image.Image], np.ndarray], list[int]]:
    made: list[int] = []

    def frame(image: Image.Image) -> np.ndarray:
        made.append(1)
        return np.asarray(image)

    return frame, made


def test_an_image_is_decoded_once_while_there_is_room(sets: list[ImageSet], count_frames) -> None:
    frame, made = count_frames
    cache, member = FrameCache(frame), sets[0].member(0)

    first, again, other = (
        cache.frame_of(sets[0], member),
        cache.frame_of(sets[0], member),
        cache.frame_of(sets[1], member),
    )

    assert first is again
    assert not np.array_equal(first, other)  # another set has a member of the same name
    assert len(made) == 2


def test_the_frame_that_was_not_used_for_longest_makes_room(shape_sets, count_frames) -> None:
    frame, made = count_frames
    disc = open_image_set(shape_sets / "disc")
    one, two, three = (disc.member(row) for row in range(3))
    cache = FrameCache(frame, limit_bytes=2 * frame(disc.image(one)).nbytes)
    made.clear()

    for member in (one, two, one, three, one):
        cache.frame_of(disc, member)
    assert len(made) == 3

    cache.frame_of(disc, two)
    assert len(made) == 4
    assert cache.n_bytes == 2 * 40 * 40 * 3
