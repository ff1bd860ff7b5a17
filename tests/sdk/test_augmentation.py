"""Random views, colours and changes of appearance: replayable, in range, and off when told so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from hyperflow.images import domain_shift
from hyperflow.images.augmentation import random_colour, random_view
from hyperflow.images.domain_shift import random_domain_shift

Change = Callable[[torch.Tensor, torch.Generator], torch.Tensor]

CHANGES: dict[str, Change] = {
    "view": lambda images, generator: random_view(images, 24, generator),
    "colour": lambda images, generator: random_colour(images, generator),
    "domain shift": lambda images, generator: random_domain_shift(images, generator, probability=1.0),
}
SIDES = {"view": 24, "colour": 32, "domain shift": 32}


def _seeded_generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> torch.Tensor:
    """Smooth images with structure, black and white pixels included."""
    coarse = torch.rand(6, 3, 5, 5)
    fine = torch.nn.functional.interpolate(coarse, size=(32, 32), mode="bilinear")
    low, high = fine.amin(dim=(1, 2, 3), keepdim=True), fine.amax(dim=(1, 2, 3), keepdim=True)
    return (fine - low) / (high - low)


@pytest.mark.parametrize("name", CHANGES)
def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(name: str, images: torch.Tensor) -> None:
    change, before = CHANGES[name], images.clone()

    first = [change(images, _seeded_generator(seed)) for seed in range(8)]
    again = [change(images, _seeded_generator(seed)) for seed in range(8)]

    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert sum(not torch.equal(first[0], other) for other in first[1:]) >= 6
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("seed", range(30))
def test_shape_and_range_are_kept(name: str, seed: int, images: torch.Tensor) -> None:
    changed = CHANGES[name](images, _seeded_generator(seed))

    assert changed.shape == (6, 3, SIDES[name], SIDES[name])
    assert torch.isfinite(changed).all()
    assert changed.min() >= -1e-5
    assert changed.max() <= 1 + 1e-5


@pytest.mark.parametrize("name", ["view", "colour"])
def test_each_image_has_a_change_of_its_own(name: str) -> None:
    one = torch.rand(1, 3, 32, 32)

    changed = CHANGES[name](one.expand(4, -1, -1, -1), _seeded_generator(0))

    assert all(not torch.allclose(changed[0], other, atol=1e-3) for other in changed[1:])


def test_a_view_of_the_whole_area_without_a_turn_only_stretches(images: torch.Tensor) -> None:
    seen = random_view(images, 32, _seeded_generator(0), min_area=1.0, max_angle_deg=0.0)

    difference = (seen - images).abs().mean(dim=(1, 2, 3))
    assert difference.max() < 0.1
    assert (random_view(images, 32, _seeded_generator(0), min_area=0.1) - images).abs().mean() > 2 * difference.mean()


def test_no_strength_changes_no_colour_but_turns_one_in_ten_grey() -> None:
    images = torch.rand(400, 3, 4, 4)

    changed = random_colour(images, _seeded_generator(0), strength=0.0)

    is_grey = (changed.amax(dim=1) - changed.amin(dim=1)).amax(dim=(1, 2)) < 1e-6
    assert 0.05 < is_grey.float().mean() < 0.15
    torch.testing.assert_close(changed[~is_grey], images[~is_grey])


def test_a_probability_of_zero_is_the_identity(images: torch.Tensor) -> None:
    for seed in range(10):
        assert random_domain_shift(images, _seeded_generator(seed), probability=0.0) is images


def test_the_probability_is_the_share_of_groups_that_change(images: torch.Tensor) -> None:
    generator = _seeded_generator(0)
    changed = [random_domain_shift(images, generator, probability=0.3) is not images for _ in range(300)]

    assert 0.2 < sum(changed) / 300 < 0.4


@pytest.mark.parametrize("shift", domain_shift._SHIFTS, ids=lambda shift: shift.__name__)
def test_every_shift_changes_the_images_and_keeps_shape_and_range(shift: Change, images: torch.Tensor) -> None:
    changed = [shift(images, _seeded_generator(seed)) for seed in range(5)]

    assert all(result.shape == images.shape for result in changed)
    assert all(result.min() >= -1e-5 and result.max() <= 1 + 1e-5 for result in changed)
    assert any((result - images).abs().mean() > 0.005 for result in changed)


def test_a_shift_is_one_and_the_same_for_every_image_of_the_group(images: torch.Tensor) -> None:
    same = images[:1].expand(4, -1, -1, -1)
    per_pixel_noise = {"_noise"}

    for shift in domain_shift._SHIFTS:
        if shift.__name__ not in per_pixel_noise:
            changed = shift(same, _seeded_generator(3))
            torch.testing.assert_close(changed, changed[:1].expand(4, -1, -1, -1))
