"""The support encoder: what a task looks like, in one vector.

A set transformer over the classes (Lee et al., arXiv:1810.00825) with a learned task token; neither the order of the
classes nor the order of the shots matters. Attention is written as plain products, which every engine fuses.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from hyperflow.adapted.prototypes import class_means
from hyperflow.drift.config import DriftConfig

__all__ = ["SupportEncoder"]


class _Attention(nn.Module):
    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        head_dim = tokens.shape[1] // self.n_heads
        split = self.queries_keys_values(tokens).view(-1, 3, self.n_heads, head_dim).permute(1, 2, 0, 3)
        queries, keys, values = split[0], split[1], split[2]  # each (heads, tokens, head_dim)
        weights = torch.softmax(queries @ keys.transpose(1, 2) * head_dim**-0.5, dim=-1)
        mixed = (weights @ values).permute(1, 0, 2).reshape(-1, self.n_heads * head_dim)
        return self.out(mixed)  # type: ignore[no-any-return]


class _Layer(nn.Module):
    """Pre-norm transformer layer."""

    def __init__(self, config: DriftConfig) -> None:
        super().__init__()
        width = config.width
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = _Attention(width, config.encoder_heads)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(config.dropout), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self.attention(self.attention_norm(tokens))
        return tokens + self.mlp(self.mlp_norm(tokens))  # type: ignore[no-any-return]


class SupportEncoder(nn.Module):
    """Support features at theta_0 to one task vector."""

    def __init__(self, feature_dim: int, config: DriftConfig) -> None:
        """Build with fresh weights.

        Args:
            feature_dim: Size D of a feature.
            config: Width, layers, heads.
        """
        super().__init__()
        self.embed = nn.Linear(4 * feature_dim + 1, config.width)
        self.task_token = nn.Parameter(torch.zeros(1, config.width))
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.encoder_layers))
        self.norm = nn.LayerNorm(config.width)

    def _class_tokens(self, features: torch.Tensor, labels_onehot: torch.Tensor) -> torch.Tensor:
        """Describe each class by its place and spread inside the episode, and by its number of shots."""
        unit = functional.normalize(features, dim=1) * features.shape[1] ** 0.5
        means = class_means(unit, labels_onehot)
        centre = unit.mean(dim=0, keepdim=True)
        spread = ((unit - centre) ** 2).mean(dim=0, keepdim=True).clamp(min=1e-6).sqrt()
        within = class_means((unit - labels_onehot @ means) ** 2, labels_onehot).clamp(min=1e-6).sqrt()
        shots = labels_onehot.sum(dim=0)[:, None].clamp(min=1.0).log()
        episode = torch.cat([centre, spread], dim=1).expand(means.shape[0], -1)
        return torch.cat([means - centre, within, episode, shots], dim=1)

    def forward(self, features: torch.Tensor, labels_onehot: torch.Tensor) -> torch.Tensor:
        """Summarise a support set.

        Args:
            features: At theta_0, (S, D).
            labels_onehot: (S, N), one 1 a row.

        Returns:
            Task vector, (1, width).
        """
        tokens = torch.cat([self.task_token, self.embed(self._class_tokens(features, labels_onehot))], dim=0)
        for layer in self.layers:
            tokens = layer(tokens)
        task: torch.Tensor = self.norm(tokens[:1])
        return task
