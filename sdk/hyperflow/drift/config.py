"""Shape of a drift network."""

from __future__ import annotations

import msgspec

from hyperflow.errors import ConfigError

__all__ = ["DriftConfig"]


class DriftConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shape of the support encoder and of the drift field.

    Attributes:
        width: Hidden size of both.
        encoder_layers: Transformer layers over the classes.
        encoder_heads: Attention heads of each.
        field_blocks: Residual blocks of the field.
        field_rank: Number of learned directions in theta that the field mixes; 0 gives every coordinate its own output.
        reads_directions: Let the field see the change through the same directions that it mixes, instead of through a
            matrix of its own as large as theirs. Steps that start at theta_0 never leave these directions, so nothing
            is lost on a device. Needs a `field_rank`.
        channel_width: Hidden size of the part that is shared by all feature channels; 0 leaves that part out.
        feedback_width: Rank of the map from the head's feedback to theta; 0 leaves that part out.
        output_scale: Factor on the field's output, which keeps the first updates small.
        dropout: Share of hidden units dropped while training, in [0, 1).

    Raises:
        ConfigError: A value that cannot work.
    """

    width: int = 256
    encoder_layers: int = 2
    encoder_heads: int = 4
    field_blocks: int = 3
    field_rank: int = 16
    reads_directions: bool = False
    channel_width: int = 32
    feedback_width: int = 256
    output_scale: float = 0.02
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if self.width < 8 or self.encoder_heads < 1 or self.width % self.encoder_heads:
            raise ConfigError(
                f"width must be at least 8 and a multiple of the heads, got {self.width}, {self.encoder_heads}"
            )
        if min(self.field_rank, self.channel_width, self.feedback_width) < 0:
            raise ConfigError(f"field_rank, channel_width and feedback_width must be at least 0, got {self}")
        if self.reads_directions and not self.field_rank:
            raise ConfigError("reads_directions needs directions; set field_rank to 1 or more")
        if min(self.encoder_layers, self.field_blocks) < 0 or not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"layers and blocks must be at least 0 and dropout in [0, 1), got {self}")
