"""The head's feedback is its exact derivative, in closed form, and the map from it to theta knows no order."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from hyperflow.drift.config import DriftConfig
from hyperflow.drift.feedback import FeedbackField, feedback


def support(n_way: int, n_shot: int, feature_dim: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(10 * n_way + n_shot)
    features = torch.rand(n_way * n_shot, feature_dim, generator=generator)
    return functional.normalize(features, dim=1), torch.eye(n_way).repeat_interleave(n_shot, dim=0)


@pytest.mark.parametrize(("n_way", "n_shot"), [(2, 2), (3, 5), (5, 1)])
def test_feedback_is_the_derivative_of_the_leave_one_out_loss(n_way: int, n_shot: int) -> None:
    unit, onehot = support(n_way, n_shot)
    labels = onehot.argmax(dim=1)
    for row in range(len(unit)):
        image = unit[row].clone().requires_grad_(True)
        prototypes = []
        for label in range(n_way):
            members = [i for i in range(len(unit)) if labels[i] == label and (i != row or n_shot == 1)]
            prototypes.append(functional.normalize(unit[members].sum(dim=0), dim=0))
        logits = 16.0 * image @ torch.stack(prototypes).T
        (derivative,) = torch.autograd.grad(functional.cross_entropy(logits[None], labels[row : row + 1]), image)

        torch.testing.assert_close(feedback(unit, onehot)[row], -derivative / 16.0, rtol=1e-4, atol=1e-6)


def test_order_of_shots_and_classes_does_not_matter_to_the_push() -> None:
    torch.manual_seed(0)
    field = FeedbackField(11, 7, DriftConfig(width=8, encoder_heads=2, feedback_width=5))
    torch.nn.init.normal_(field.out.weight)
    features, onehot = support(4, 3)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))

    changed = field(features[order], onehot[order][:, torch.tensor([2, 0, 3, 1])])

    assert changed.abs().max() > 1e-4
    torch.testing.assert_close(changed, field(features, onehot))


def test_without_training_the_push_is_zero() -> None:
    field = FeedbackField(11, 7, DriftConfig(width=8, encoder_heads=2))

    assert torch.equal(field(*support(3, 2)), torch.zeros(1, 11))
