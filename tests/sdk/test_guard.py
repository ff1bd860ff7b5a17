"""The guard: leave-one-out against a naive loop, and the choice among candidates."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from hyperflow.adapted.guard import choose_candidate, leave_one_out_logits, leave_one_out_loss
from hyperflow.adapted.prototypes import cosine_scores, prototypes_of

LABELS = [[0, 0, 1, 1], [0, 0, 0, 1, 1, 1, 2, 2, 2], [1, 0, 1, 2, 0, 1, 2], [0, 1, 1, 1, 2, 2]]


def _onehot(labels: list[int]) -> torch.Tensor:
    return functional.one_hot(torch.tensor(labels)).float()


def _naive(features: torch.Tensor, labels: list[int]) -> tuple[torch.Tensor, list[int]]:
    """Take each image out, build all prototypes anew, and score it."""
    rows, kept = [], []
    for index, label in enumerate(labels):
        others = [i for i in range(len(labels)) if i != index]
        if any(labels[i] == label for i in others):
            prototypes = prototypes_of(features[others], _onehot([labels[i] for i in others]))
            rows.append(cosine_scores(features[index : index + 1], prototypes)[0])
            kept.append(label)
    return torch.stack(rows), kept


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("logit_scale", [1.0, 16.0])
def test_leaving_one_out_equals_a_naive_loop(labels: list[int], logit_scale: float) -> None:
    features = torch.randn(len(labels), 12)
    expected, expected_labels = _naive(features, labels)

    logits, kept_labels = leave_one_out_logits(features, _onehot(labels), logit_scale)

    assert kept_labels.tolist() == expected_labels
    torch.testing.assert_close(logits, logit_scale * expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("labels", LABELS)
def test_the_loss_is_the_cross_entropy_of_the_images_that_could_be_left_out(labels: list[int]) -> None:
    features = torch.randn(len(labels), 12)
    cosines, kept = _naive(features, labels)
    expected = functional.cross_entropy(10 * cosines, torch.tensor(kept)).item()

    assert leave_one_out_loss(features, _onehot(labels), 10.0) == pytest.approx(expected, rel=1e-5)


def test_with_one_shot_a_class_there_is_nothing_to_leave_out() -> None:
    features, onehot = torch.randn(3, 5), _onehot([0, 1, 2])

    logits, labels = leave_one_out_logits(features, onehot, 16.0)

    assert (logits.shape, labels.shape) == ((0, 3), (0,))
    assert leave_one_out_loss(features, onehot, 16.0) is None


def test_separated_classes_have_a_lower_loss_than_mixed_ones() -> None:
    onehot, centres = _onehot([0, 0, 0, 1, 1, 1]), 5 * torch.eye(2).repeat_interleave(3, dim=0)
    noise = 0.1 * torch.randn(6, 2)
    apart, mixed = leave_one_out_loss(centres + noise, onehot, 16.0), leave_one_out_loss(noise, onehot, 16.0)

    assert apart is not None
    assert mixed is not None
    assert apart < 1e-3 < mixed


@pytest.mark.parametrize(
    ("losses", "penalties", "picked"),
    [
        ((0.5, 0.4, 0.6), (0.0, 0.0, 0.0), 1),
        ((0.5, 0.4, 0.3), (0.0, 0.2, 0.3), 0),
        ((0.5, 0.4, 0.3), (0.0, 0.05, 0.3), 1),
        ((0.5, 0.5, 0.5), (0.0, 0.0, 0.0), 0),
        ((0.2,), (0.0,), 0),
        ((None, None), (0.0, 0.0), None),
        ((0.2, None), (0.0, 0.0), None),
    ],
)
def test_the_least_penalised_loss_is_chosen_and_the_first_of_equals(
    losses: tuple[float | None, ...], penalties: tuple[float, ...], picked: int | None
) -> None:
    assert choose_candidate(losses, penalties) == picked


def test_every_candidate_needs_a_penalty() -> None:
    with pytest.raises(ValueError, match="zip"):
        choose_candidate([0.1, 0.2], [0.0])
