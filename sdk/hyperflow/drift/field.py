"""The drift field v(theta, t | S): the velocity of fine-tuning, predicted.

HyperFlow (Kim, Kim, Hong, arXiv:2504.15323): a residual MLP on the flat parameter vector. Its output starts at zero, so
that an untrained field leaves theta where it is.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from hyperflow.adapted.subset import ThetaLayout
from hyperflow.drift.channels import ChannelField, aligned_slots, channel_statistics
from hyperflow.drift.config import DriftConfig
from hyperflow.drift.feedback import FeedbackField

__all__ = ["DriftField", "SupportSummary"]


class _Block(nn.Module):
    def __init__(self, config: DriftConfig) -> None:
        super().__init__()
        width = config.width
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * width, width),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)  # type: ignore[no-any-return]


class SupportSummary(NamedTuple):
    """All that the field has to know of a support set; computed once a task.

    Attributes:
        task: Task vector of the support encoder, (1, width).
        statistics: Of `channel_statistics`, (D, 9).
        push: Of `FeedbackField`, (1, P).
    """

    task: torch.Tensor
    statistics: torch.Tensor
    push: torch.Tensor


class DriftField(nn.Module):
    """Velocity of theta, measured in the units of each coordinate: the sum of three parts.

    A residual MLP moves every coordinate, or mixes a few learned directions where its output is given a rank. A part
    shared by all feature channels moves the scales and shifts next to the features. And a learned guess says what the
    head's feedback on the support means for theta. The configuration can leave each of the last two out.
    """

    def __init__(self, layout: ThetaLayout, feature_dim: int, config: DriftConfig) -> None:
        """Build with fresh weights; the velocity is zero everywhere.

        Args:
            layout: Layout of theta, P coordinates.
            feature_dim: Size D of a feature.
            config: Widths, blocks, rank, output scale.
        """
        super().__init__()
        n_parameters, n_aligned = layout.n_parameters, aligned_slots(layout, feature_dim)
        self.reads_directions = config.reads_directions
        self.from_change = nn.Linear(config.field_rank if config.reads_directions else n_parameters, config.width)
        self.from_time = nn.Linear(1, config.width)
        self.from_task = nn.Linear(config.width, config.width)
        self.blocks = nn.Sequential(*(_Block(config) for _ in range(config.field_blocks)))
        self.norm = nn.LayerNorm(config.width)
        self.mix = nn.Linear(config.width, config.field_rank) if config.field_rank else nn.Identity()
        self.directions = nn.Parameter(torch.zeros(config.field_rank or config.width, n_parameters))
        self.channels = ChannelField(n_aligned, config) if n_aligned and config.channel_width else None
        self.feedback = FeedbackField(n_parameters, feature_dim, config) if config.feedback_width else None
        self.output_scale = config.output_scale

    def summarise(self, features: torch.Tensor, labels_onehot: torch.Tensor, task: torch.Tensor) -> SupportSummary:
        """Compute what stays the same over all Euler steps.

        Args:
            features: Support features at theta_0, (S, D).
            labels_onehot: (S, N), one 1 a row.
            task: Task vector of the support encoder, (1, width).
        """
        push = torch.zeros(1, self.directions.shape[1], device=features.device)
        if self.feedback is not None:
            push = self.feedback(features, labels_onehot)
        return SupportSummary(task, channel_statistics(features, labels_onehot), push)

    def forward(self, change: torch.Tensor, t: torch.Tensor, support: SupportSummary) -> torch.Tensor:
        """Predict d(change)/dt, at one point of one support set or at several.

        Args:
            change: (theta - theta_0) / units, (B, P).
            t: Time in [0, 1], (B, 1).
            support: Of `summarise`.

        Returns:
            (B, P), in units a step.
        """
        seen = change @ self.directions.T if self.reads_directions else change
        hidden = self.from_change(seen) + self.from_time(t - 0.5) + self.from_task(support.task)
        velocity: torch.Tensor = self.mix(self.norm(self.blocks(hidden))) @ self.directions + support.push
        if self.channels is not None:
            aligned = self.channels(change, t, support.task, support.statistics)
            n_before = change.shape[1] - aligned.shape[1]
            velocity = torch.cat([velocity[:, :n_before], velocity[:, n_before:] + aligned], dim=1)
        return velocity * self.output_scale
