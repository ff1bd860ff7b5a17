"""The drift field v(theta, t | S): the velocity of fine-tuning, predicted.

HyperFlow (Kim, Kim, Hong, arXiv:2504.15323), section 3: a residual MLP on the flat parameter vector. Its output layer
starts at zero, so that an untrained field leaves theta where it is.
"""

from __future__ import annotations

import torch
from torch import nn

from hyperflow.drift.config import DriftConfig

__all__ = ["DriftField"]


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


class DriftField(nn.Module):
    """Velocity of theta, measured in the units of each coordinate."""

    def __init__(self, n_parameters: int, config: DriftConfig) -> None:
        """Build with fresh weights and a zero output layer.

        Args:
            n_parameters: Length P of theta.
            config: Width, blocks, output scale.
        """
        super().__init__()
        self.from_change = nn.Linear(n_parameters, config.width)
        self.from_time = nn.Linear(1, config.width)
        self.from_task = nn.Linear(config.width, config.width)
        self.blocks = nn.Sequential(*(_Block(config) for _ in range(config.field_blocks)))
        self.norm = nn.LayerNorm(config.width)
        self.out = nn.Linear(config.width, n_parameters)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        self.output_scale = config.output_scale

    def forward(self, change: torch.Tensor, t: torch.Tensor, task: torch.Tensor) -> torch.Tensor:
        """Predict d(change)/dt.

        Args:
            change: (theta - theta_0) / units, (1, P).
            t: Time in [0, 1], (1, 1).
            task: Task vector of the support encoder, (1, width).

        Returns:
            (1, P), in units a step.
        """
        hidden = self.from_change(change) + self.from_time(t - 0.5) + self.from_task(task)
        velocity: torch.Tensor = self.out(self.norm(self.blocks(hidden))) * self.output_scale
        return velocity
