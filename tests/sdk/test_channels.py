"""The drift's shared part sees channels alike: it follows them when they are permuted."""

from __future__ import annotations

import pytest
import torch

from hyperflow.adapted.subset import Slot, ThetaLayout
from hyperflow.drift.channels import ChannelField, aligned_slots, channel_statistics
from hyperflow.drift.config import DriftConfig


def support(n_way: int, n_shot: int, n_channels: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n_way * 100 + n_shot)
    features = torch.rand(n_way * n_shot, n_channels, generator=generator)
    return features, torch.eye(n_way).repeat_interleave(n_shot, dim=0)


@pytest.mark.parametrize(("sizes", "n_aligned"), [((3, 8, 8), 2), ((8, 3, 8), 1), ((8, 8, 3), 0), ((8,), 1), ((3,), 0)])
def test_aligned_slots_are_those_at_the_end_with_one_coordinate_a_channel(
    sizes: tuple[int, ...], n_aligned: int
) -> None:
    slots = tuple(Slot(str(index), sum(sizes[:index]), size) for index, size in enumerate(sizes))

    assert aligned_slots(ThetaLayout(slots), 8) == n_aligned


@pytest.mark.parametrize(("n_way", "n_shot"), [(2, 1), (3, 4), (5, 2)])
def test_permuted_channels_permute_statistics_and_velocity(n_way: int, n_shot: int) -> None:
    torch.manual_seed(0)
    field = ChannelField(2, DriftConfig(width=8, encoder_heads=2, channel_width=8)).eval()
    torch.nn.init.normal_(field.out.weight)
    features, onehot = support(n_way, n_shot)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    change, task, t = torch.randn(1, 4 + 12), torch.randn(1, 8), torch.rand(1, 1)
    moved = torch.cat([change[:, :4], change[:, 4:10][:, order], change[:, 10:][:, order]], dim=1)

    statistics, permuted = channel_statistics(features, onehot), channel_statistics(features[:, order], onehot)
    velocity, other = field(change, t, task, statistics), field(moved, t, task, permuted)

    torch.testing.assert_close(permuted, statistics[order])
    torch.testing.assert_close(other, velocity.view(2, 6)[:, order].reshape(1, -1))


def test_order_of_shots_and_classes_does_not_matter_to_statistics() -> None:
    features, onehot = support(4, 3)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))

    changed = channel_statistics(features[order], onehot[order][:, torch.tensor([2, 0, 3, 1])])

    torch.testing.assert_close(changed, channel_statistics(features, onehot))


def test_statistics_tell_a_channel_that_separates_the_classes() -> None:
    onehot = torch.eye(2).repeat_interleave(4, dim=0)
    noise = torch.rand(8, 5, generator=torch.Generator().manual_seed(0)) * 0.2 + 1.0
    noise[:4, 2] += 2.0

    statistics = channel_statistics(noise, onehot)

    between_over_within, margin = statistics[:, 4], statistics[:, 6]
    assert between_over_within.argmax() == 2
    assert margin.argmax() == 2


def test_a_single_shot_a_class_gives_finite_statistics() -> None:
    assert torch.isfinite(channel_statistics(*support(5, 1))).all()
