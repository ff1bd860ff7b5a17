"""A trained drift field in fewer numbers: only the directions in theta that it uses.

The field's output is a product with a matrix of P columns, and its rank turns out small. Steps from theta_0 never
leave the span of that matrix, so what the field reads of the change can be read inside the span too: both matrices of
P columns shrink to one of `rank` orthonormal directions. The cut is the best of its rank for the output (Eckart and
Young, Psychometrika 1936).
"""

from __future__ import annotations

import msgspec
import torch
from torch import nn

from hyperflow.drift.config import DriftConfig
from hyperflow.drift.field import DriftField
from hyperflow.errors import ConfigError

__all__ = ["compressed_config", "compressed_state", "output_strengths"]


def compressed_config(config: DriftConfig, rank: int) -> DriftConfig:
    """Shape of the smaller field.

    Args:
        config: Of the trained field.
        rank: Directions to keep.

    Raises:
        ConfigError: The rank is not below the present one, or the field has parts that move theta out of the span.
    """
    present = config.field_rank or config.width
    if not 1 <= rank <= present:
        raise ConfigError(f"rank must be 1..{present}, the directions that this drift field has, got {rank}")
    if config.channel_width or config.feedback_width:
        raise ConfigError(
            "only a drift without channel and feedback parts can be compressed; these move theta in every direction "
            f"(channel_width={config.channel_width}, feedback_width={config.feedback_width})"
        )
    return msgspec.structs.replace(config, field_rank=rank, reads_directions=True)


@torch.no_grad()
def _output_matrix(field: DriftField) -> torch.Tensor:
    """From the hidden units and a constant 1 to the velocity, (width + 1, P)."""
    directions = field.directions.double()
    if isinstance(field.mix, nn.Linear):
        return torch.cat([field.mix.weight.double().T, field.mix.bias.double()[None]]) @ directions
    return torch.cat([directions, torch.zeros_like(directions[:1])])


@torch.no_grad()
def output_strengths(field: DriftField) -> torch.Tensor:
    """Squared singular values of what maps hidden units to the velocity, falling."""
    strengths: torch.Tensor = torch.linalg.svdvals(_output_matrix(field)).square()
    return strengths


@torch.no_grad()
def compressed_state(field: DriftField, rank: int) -> dict[str, torch.Tensor]:
    """Weights of the smaller field, for the configuration that `compressed_config` gives.

    Args:
        field: Trained.
        rank: Directions to keep.

    Returns:
        State of a `DriftField`.
    """
    output = _output_matrix(field)
    left, lengths, right = torch.linalg.svd(output, full_matrices=False)
    directions, mixing = right[:rank], (left[:, :rank] * lengths[:rank]).T
    state = {name: value.clone() for name, value in field.state_dict().items()}
    reading = field.from_change.weight.double()
    if field.reads_directions:
        reading = reading @ field.directions.double()
    state["mix.weight"], state["mix.bias"] = mixing[:, :-1].float().contiguous(), mixing[:, -1].float().contiguous()
    state["directions"] = directions.float()
    state["from_change.weight"] = (reading @ directions.T).float()
    return state
