"""The part of the drift that treats all feature channels alike.

The last layers scale and shift the very channels that the features average, so what the support says of a channel (does
it tell the classes apart? does it vary within them?) tells where its scale and shift should go. One small network,
shared by all channels, answers that for each; it has no weights that a training domain could write its name into.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from hyperflow.adapted.prototypes import class_means
from hyperflow.adapted.subset import ThetaLayout
from hyperflow.drift.config import DriftConfig
from hyperflow.drift.feedback import feedback

__all__ = ["ChannelField", "aligned_slots", "channel_statistics"]

N_STATISTICS = 9
_EPS = 1e-3


def aligned_slots(layout: ThetaLayout, feature_dim: int) -> int:
    """Count the slots at the end of theta that have one coordinate for each feature channel."""
    n_slots = 0
    for slot in reversed(layout.slots):
        if slot.size != feature_dim:
            break
        n_slots += 1
    return n_slots


def channel_statistics(features: torch.Tensor, labels_onehot: torch.Tensor) -> torch.Tensor:
    """Describe each feature channel by how it behaves on the support.

    Args:
        features: At theta_0, (S, D).
        labels_onehot: (S, N), one 1 a row.

    Returns:
        (D, 9): mean, deviation, deviation between classes and within them, two log ratios of these, the channel's part
        in the margin between the own class and its rivals, and, the same for all channels, the logarithms of the mean
        number of shots and of the number of classes.
    """
    unit_length = functional.normalize(features, dim=1)
    unit = unit_length * features.shape[1] ** 0.5
    means = class_means(unit, labels_onehot)
    centre = unit.mean(dim=0)
    spread = ((unit - centre) ** 2).mean(dim=0).clamp(min=_EPS**2).sqrt()
    between = ((means - means.mean(dim=0)) ** 2).mean(dim=0).clamp(min=_EPS**2).sqrt()
    within = ((unit - labels_onehot @ means) ** 2).mean(dim=0).clamp(min=_EPS**2).sqrt()
    n_way = labels_onehot.sum(dim=0).clamp(max=1.0).sum()
    shots = torch.ones_like(centre) * (labels_onehot.sum() / n_way).log()
    ways = torch.ones_like(centre) * n_way.log()
    discriminates, varies = (between / within).log() / 4, (spread / (centre.abs() + _EPS)).log() / 4
    margins = (unit_length * feedback(unit_length, labels_onehot)).mean(dim=0) * features.shape[1] * 4
    return torch.stack([centre, spread, between, within, discriminates, varies, margins, shots, ways], dim=1)


class ChannelField(nn.Module):
    """Velocity of the slots that are aligned with the feature channels."""

    def __init__(self, n_slots: int, config: DriftConfig) -> None:
        """Build with fresh weights and a zero output layer.

        Args:
            n_slots: Number of aligned slots, at least 1.
            config: Hidden size and output scale.
        """
        super().__init__()
        width = config.channel_width
        self.from_task = nn.Linear(config.width, width)
        self.from_channel = nn.Linear(N_STATISTICS + n_slots + 1, width)
        self.hidden = nn.Sequential(nn.GELU(), nn.Linear(width, width), nn.GELU())
        self.out = nn.Linear(width, n_slots)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.n_slots = n_slots

    def forward(
        self, change: torch.Tensor, t: torch.Tensor, task: torch.Tensor, statistics: torch.Tensor
    ) -> torch.Tensor:
        """Predict the velocity of the aligned slots.

        Args:
            change: Present change of theta in units, (B, P).
            t: Time in [0, 1], (B, 1).
            task: Task vector, (1, width).
            statistics: Of `channel_statistics`, (D, 9).

        Returns:
            (B, n_slots * D), for the end of theta.
        """
        n_points, n_channels = change.shape[0], statistics.shape[0]
        present = change[:, -self.n_slots * n_channels :].reshape(n_points, self.n_slots, n_channels).transpose(1, 2)
        time = (t - 0.5)[:, None].expand(n_points, n_channels, 1)
        fixed = statistics.expand(n_points, -1, -1)
        hidden = self.from_channel(torch.cat([fixed, present, time], dim=2)) + self.from_task(task)
        velocity: torch.Tensor = self.out(self.hidden(hidden)).transpose(1, 2).reshape(n_points, -1)
        return velocity
