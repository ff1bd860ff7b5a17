"""The part of the drift that treats all feature channels alike: its statistics, and what it may not depend on."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from hyperflow.adapted.subset import Slot, ThetaLayout
from hyperflow.drift.channels import N_STATISTICS, ChannelField, aligned_slots, channel_statistics
from hyperflow.drift.config import DriftConfig
from hyperflow.drift.field import DriftField, SupportSummary
from hyperflow.model import HyperFlow

LABELS = [[0, 0, 1, 1], [0, 0, 0, 1, 1, 1, 2, 2, 2], [1, 0, 1, 2, 0, 1, 2], [0, 1, 1, 1, 2, 2], [0, 1, 2]]


def _onehot(labels: list[int]) -> torch.Tensor:
    return functional.one_hot(torch.tensor(labels)).float()


def _layout(*sizes: int) -> ThetaLayout:
    offsets = [sum(sizes[:index]) for index in range(len(sizes))]
    return ThetaLayout(tuple(Slot(f"s{index}", offset, sizes[index]) for index, offset in enumerate(offsets)))


@pytest.mark.parametrize(
    ("sizes", "n_aligned"),
    [((8, 8, 16, 16), 2), ((16, 16), 2), ((16, 8, 16), 1), ((16, 16, 8), 0), ((16,), 1), ((8,), 0)],
)
def test_slots_are_aligned_when_they_end_theta_and_have_a_coordinate_for_each_channel(
    sizes: tuple[int, ...], n_aligned: int
) -> None:
    assert aligned_slots(_layout(*sizes), 16) == n_aligned


@pytest.mark.parametrize("labels", LABELS)
def test_the_moments_are_those_of_a_plain_loop_over_channels(labels: list[int]) -> None:
    features, onehot = torch.rand(len(labels), 5), _onehot(labels)
    unit = [row / row.norm() * math.sqrt(5) for row in features]
    n_way = len(set(labels))

    statistics = channel_statistics(features, onehot)

    assert statistics.shape == (5, N_STATISTICS)
    for channel in range(5):
        values = [row[channel].item() for row in unit]
        mean = sum(values) / len(values)
        class_means = [
            sum(v for v, own in zip(values, labels, strict=True) if own == c) / labels.count(c) for c in range(n_way)
        ]
        middle = sum(class_means) / n_way
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values))
        between = math.sqrt(sum((m - middle) ** 2 for m in class_means) / n_way)
        within = math.sqrt(sum((v - class_means[c]) ** 2 for v, c in zip(values, labels, strict=True)) / len(values))
        within, between = max(within, 1e-3), max(between, 1e-3)
        expected = [mean, spread, between, within, math.log(between / within) / 4, math.log(spread / (mean + 1e-3)) / 4]
        assert statistics[channel, :6].tolist() == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert statistics[:, 7].tolist() == pytest.approx([math.log(len(labels) / n_way)] * 5)
    assert statistics[:, 8].tolist() == pytest.approx([math.log(n_way)] * 5)


@settings(max_examples=30, deadline=None)
@given(n_way=st.integers(2, 8), n_shot=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_statistics_do_not_depend_on_the_order_of_classes_shots_and_channels(
    n_way: int, n_shot: int, seed: int
) -> None:
    torch.manual_seed(seed)
    features, onehot = torch.rand(n_way * n_shot, 12), torch.eye(n_way).repeat_interleave(n_shot, dim=0)
    shots, classes, channels = torch.randperm(n_way * n_shot), torch.randperm(n_way), torch.randperm(12)

    statistics = channel_statistics(features, onehot)
    shuffled = channel_statistics(features[shots][:, channels], onehot[shots][:, classes])

    torch.testing.assert_close(shuffled, statistics[channels], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("labels", LABELS)
def test_margins_add_up_to_the_weighed_margin_between_own_class_and_rivals(labels: list[int]) -> None:
    """The channels' parts in a cosine add up to the cosine, so their margins add up to a difference of cosines."""
    features, onehot = torch.rand(len(labels), 6), _onehot(labels)
    unit, margins = functional.normalize(features, dim=1), []
    for index, label in enumerate(labels):
        cosines = []
        for c in range(onehot.shape[1]):
            members = [i for i, own in enumerate(labels) if own == c and i != index]
            members = members or [index]  # an image that is alone in its class has none but itself
            cosines.append(unit[index] @ functional.normalize(unit[members].sum(dim=0), dim=0))
        probabilities = torch.softmax(16 * torch.stack(cosines), dim=0)
        rivals = sum(p * cosine for c, (p, cosine) in enumerate(zip(probabilities, cosines, strict=True)) if c != label)
        margins.append((1 - probabilities[label]) * cosines[label] - rivals)

    statistics = channel_statistics(features, onehot)

    assert statistics[:, 6].sum().item() / 4 / 6 == pytest.approx(torch.stack(margins).mean().item(), abs=1e-4)


@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1, 1]])
def test_statistics_of_equal_features_are_finite_and_so_are_their_gradients(labels: list[int]) -> None:
    features = torch.zeros(len(labels), 4, requires_grad=True)

    statistics = channel_statistics(features, _onehot(labels))
    (gradient,) = torch.autograd.grad(statistics.sum(), features)

    assert torch.isfinite(statistics).all()
    assert torch.isfinite(gradient).all()


def test_a_channel_in_which_the_classes_differ_stands_out() -> None:
    onehot = torch.eye(2).repeat_interleave(4, dim=0)
    features = torch.rand(8, 5) * 0.2 + 1.0
    features[:, 2] += 2 * onehot[:, 0]
    features[:, 3] += torch.tensor([0.0, 2.0] * 4)  # this one differs between shots

    statistics = channel_statistics(features, onehot)

    assert statistics[:, [4, 6]].argmax(dim=0).tolist() == [2, 2]
    assert statistics[:, 3].argmax() == 3


def test_one_network_answers_for_every_channel() -> None:
    config = DriftConfig(width=16, channel_width=8)
    field = ChannelField(2, config)
    torch.nn.init.normal_(field.out.weight)
    change, t, task = torch.randn(1, 20), torch.rand(1, 1), torch.randn(1, 16)
    statistics, order = torch.randn(6, N_STATISTICS), torch.randperm(6)
    shuffled_change = torch.cat([change[:, :8], change[:, 8:14][:, order], change[:, 14:][:, order]], dim=1)

    velocity = field(change, t, task, statistics)
    shuffled = field(shuffled_change, t, task, statistics[order])

    assert velocity.shape == (1, 12)
    assert velocity.std() > 1e-2
    torch.testing.assert_close(shuffled.view(2, 6), velocity.view(2, 6)[:, order])


def _two_velocities(field: DriftField, n_parameters: int) -> torch.Tensor:
    """Velocities (2, P) of tasks that differ in the statistics of their channels alone."""
    change, t, task = torch.randn(1, n_parameters), torch.rand(1, 1), torch.randn(1, 16)
    push = torch.zeros(1, n_parameters)
    with torch.no_grad():
        return torch.cat(
            [field(change, t, SupportSummary(task, torch.randn(16, N_STATISTICS), push)) for _ in range(2)]
        )


def test_the_aligned_part_moves_the_end_of_theta_alone(tiny_model: HyperFlow) -> None:
    layout = tiny_model.backbone.layout
    n_aligned = 16 * aligned_slots(layout, 16)
    assert 0 < n_aligned < layout.n_parameters

    first, second = _two_velocities(tiny_model.field, layout.n_parameters)

    assert torch.equal(first[:-n_aligned], second[:-n_aligned])
    assert (first - second)[-n_aligned:].abs().max() > 1e-3


def test_without_a_channel_width_the_statistics_do_not_matter() -> None:
    field = DriftField(_layout(4, 16), 16, DriftConfig(width=16, channel_width=0)).eval()
    torch.nn.init.normal_(field.directions)

    first, second = _two_velocities(field, 20)

    assert torch.equal(first, second)
    assert first.abs().max() > 0


def test_without_a_feedback_width_the_head_gives_no_push() -> None:
    features, onehot, task = torch.rand(6, 16), torch.eye(3).repeat(2, 1), torch.randn(1, 16)
    pushes = []
    for width in (0, 4):
        field = DriftField(_layout(4, 16), 16, DriftConfig(width=16, feedback_width=width)).eval()
        for parameter in field.parameters():
            torch.nn.init.normal_(parameter)
        pushes.append(field.summarise(features, onehot, task).push)

    assert torch.equal(pushes[0], torch.zeros(1, 20))
    assert pushes[1].abs().max() > 0
