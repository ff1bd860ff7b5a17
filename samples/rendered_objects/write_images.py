"""Sample photos on disk: a small support set and a query set per kind."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scene import KINDS, render_object

JPEG_QUALITY = 92
_SPLITS = ("support", "query")


def write_sample_images(
    folder: Path, *, n_support: int = 5, n_query: int = 6, seed: int = 0, kinds: Sequence[str] = KINDS
) -> None:
    """Render photos and write them as `folder/support/KIND/000.jpg` and `folder/query/KIND/000.jpg`.

    A photo depends only on the seed, its kind, its split and its number, so asking for more photos or other kinds
    leaves the rest unchanged.

    Args:
        folder: Where to write; made if missing, photos of the same name are replaced.
        n_support: Support photos per kind, 0 or more.
        n_query: Query photos per kind, 0 or more.
        seed: Seed of all randomness, 0 or more.
        kinds: Which of `scene.KINDS` to render.

    Raises:
        ValueError: If a kind is unknown, or a count or the seed is negative.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise ValueError(f"unknown kinds {unknown}; choose from {', '.join(KINDS)}")
    if min(n_support, n_query, seed) < 0:
        raise ValueError(f"n_support={n_support}, n_query={n_query} and seed={seed} must be 0 or more")
    for kind in kinds:
        for split_index, count in enumerate((n_support, n_query)):
            target = folder / _SPLITS[split_index] / kind
            target.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                rng = np.random.default_rng([seed, KINDS.index(kind), split_index, number])
                render_object(kind, rng).save(target / f"{number:03d}.jpg", quality=JPEG_QUALITY)
