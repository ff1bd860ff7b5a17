"""What the head would tell the backbone about each support image, and a learned guess of what follows for theta.

Fine-tuning sends the head's error back through the network. Here nothing is sent back: the error at the features is a
closed form of the cosine head, and a learned bilinear map from it to theta stands for the way through the layers, as in
Jaderberg et al., "Decoupled Neural Interfaces using Synthetic Gradients" (arXiv:1608.05343). The way belongs to the
network, not to a domain; that what is learned on some domains holds on others is the hope, not yet a measurement.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from hyperflow.drift.config import DriftConfig

__all__ = ["FeedbackField", "feedback"]

_LOGIT_SCALE = 16.0  # factor from cosine to logit when the rivals of a class are weighed


def feedback(unit: torch.Tensor, labels_onehot: torch.Tensor) -> torch.Tensor:
    """Where each support feature should go: to its own class's other images, away from the rivals' prototypes.

    Args:
        unit: Features at theta_0, of length 1, (S, D).
        labels_onehot: (S, N), one 1 a row.

    Returns:
        (S, D); small for an image that is already told apart. An image never votes for itself, unless it is alone.
    """
    sums = labels_onehot.T @ unit
    others = labels_onehot @ sums - unit
    has_others = (labels_onehot @ labels_onehot.sum(dim=0) > 1.5).float()[:, None]
    own = functional.normalize(others * has_others + unit * (1.0 - has_others), dim=1)
    prototypes = functional.normalize(sums, dim=1)
    own_cosines = (unit * own).sum(dim=1, keepdim=True)
    cosines = unit @ prototypes.T * (1.0 - labels_onehot) + own_cosines * labels_onehot
    probabilities = torch.softmax(_LOGIT_SCALE * cosines, dim=1)
    rivals = (probabilities * (1.0 - labels_onehot)) @ prototypes
    own_weight = 1.0 - (probabilities * labels_onehot).sum(dim=1, keepdim=True)
    return own * own_weight - rivals


class FeedbackField(nn.Module):
    """Constant velocity of theta that follows from the feedback."""

    def __init__(self, n_parameters: int, feature_dim: int, config: DriftConfig) -> None:
        """Build with fresh weights and a zero output layer.

        Args:
            n_parameters: Length P of theta.
            feature_dim: Size D of a feature.
            config: Width of the bilinear map.
        """
        super().__init__()
        self.from_feedback = nn.Linear(feature_dim, config.feedback_width, bias=False)
        self.from_feature = nn.Linear(feature_dim, config.feedback_width, bias=False)
        self.out = nn.Linear(config.feedback_width, n_parameters, bias=False)
        nn.init.zeros_(self.out.weight)

    def forward(self, features: torch.Tensor, labels_onehot: torch.Tensor) -> torch.Tensor:
        """Predict the velocity of theta.

        Args:
            features: At theta_0, (S, D).
            labels_onehot: (S, N), one 1 a row.

        Returns:
            (1, P).
        """
        unit = functional.normalize(features, dim=1)
        scale = unit.shape[1] ** 0.5
        pairs = self.from_feedback(feedback(unit, labels_onehot) * scale) * self.from_feature(unit * scale)
        velocity: torch.Tensor = self.out(pairs.mean(dim=0, keepdim=True))
        return velocity
