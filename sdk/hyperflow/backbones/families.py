"""The families of networks from `transformers` whose features are clear, and where each keeps them.

A family that is not here is refused: what its outputs mean would be a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["FAMILIES", "Family", "Pooling"]

Pooling = Literal["cls", "mean", "pooler"]
"""`cls`: the class token; `mean`: the mean over the patches; `pooler`: the network's own global mean."""


@dataclass(frozen=True)
class Family:
    """What all networks of one `model_type` share.

    Attributes:
        poolings: Ways from the outputs to one feature; the first is the default.
        n_prefix: Tokens before the patches, without registers.
        has_positions: Whether a table of position embeddings fixes the image size.
    """

    poolings: tuple[Pooling, ...]
    n_prefix: int = 0
    has_positions: bool = False


_TOKENS: tuple[Pooling, ...] = ("cls", "mean")

FAMILIES = MappingProxyType(
    {
        "vit": Family(_TOKENS, n_prefix=1, has_positions=True),
        "deit": Family(_TOKENS, n_prefix=2, has_positions=True),
        "dinov2": Family(_TOKENS, n_prefix=1, has_positions=True),
        "dinov2_with_registers": Family(_TOKENS, n_prefix=1, has_positions=True),
        "dinov3_vit": Family(_TOKENS, n_prefix=1),
        "convnext": Family(("pooler", "mean")),
        "convnextv2": Family(("pooler", "mean")),
        "resnet": Family(("pooler", "mean")),
        "regnet": Family(("pooler", "mean")),
    }
)
