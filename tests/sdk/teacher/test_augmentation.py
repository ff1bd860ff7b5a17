"""Pseudo-queries: what may change, what stays, and that chance can be replayed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hyperflow.teacher.augmentation import pseudo_query


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@given(seed=st.integers(0, 2**32), side=st.sampled_from([16, 21]), n=st.integers(1, 4))
def test_the_same_generator_gives_the_same_finite_copy(seed: int, side: int, n: int) -> None:
    images = torch.randn(n, 3, side, side + 3, generator=_generator(1))

    first, second = (pseudo_query(images, _generator(seed), probability=0.9) for _ in range(2))

    assert torch.equal(first, second)
    assert first.shape == images.shape
    assert torch.isfinite(first).all()


def test_a_probability_of_zero_leaves_every_batch_and_of_one_none() -> None:
    images = torch.randn(2, 3, 16, 16)

    assert all(pseudo_query(images, _generator(seed), probability=0.0) is images for seed in range(20))
    assert not any(torch.equal(pseudo_query(images, _generator(s), probability=1.0), images) for s in range(20))


def test_about_nine_batches_in_ten_change() -> None:
    images = torch.randn(1, 3, 8, 8)
    generator = _generator(0)

    n_changed = sum(pseudo_query(images, generator, probability=0.9) is not images for _ in range(400))

    assert 335 < n_changed < 385  # 3.5 deviations around 360


def test_images_move_by_an_eighth_at_most_and_leave_zeros_behind() -> None:
    side = 32
    images = torch.full((64, 3, side, side), 5.0)  # one colour: only brightness and position can change it

    copies = pseudo_query(images, _generator(3), probability=1.0)

    empty = (copies == 0).all(dim=1)  # (64, side, side)
    empty_rows, empty_columns = empty.all(dim=2).sum(dim=1), empty.all(dim=1).sum(dim=1)
    assert empty_rows.max() == empty_columns.max() == side // 8
    assert empty_rows.min() == empty_columns.min() == 0
    inside = copies[:, :, side // 2, side // 2]
    assert 4.5 <= inside.min() < inside.max() <= 5.5


def test_all_images_of_a_batch_are_flipped_or_none() -> None:
    ramp = torch.linspace(-1, 1, 32).expand(8, 3, 32, 32)
    slopes = []
    for seed in range(30):
        middle = pseudo_query(ramp, _generator(seed), probability=1.0)[:, 0, 16, 8:24]
        slopes.append((middle[:, -1] - middle[:, 0]).sign())

    signs = torch.stack(slopes)
    assert (signs == signs[:, :1]).all()
    assert {-1.0, 1.0} == set(signs[:, 0].tolist())


@pytest.mark.parametrize("seed", range(3))
def test_the_input_is_not_written_to(seed: int) -> None:
    images = torch.randn(2, 3, 16, 16)
    before = images.clone()

    pseudo_query(images, _generator(seed), probability=1.0)

    assert torch.equal(images, before)
