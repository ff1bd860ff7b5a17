"""The visible surface of one object, assembled part by part."""

import numpy as np
import numpy.typing as npt

from materials import Colour, Finish
from noise import Field


def rounded(distance: Field, width: float, thickness: float, base: float = 0.0) -> Field:
    """Give an outline a height that rises in a quarter circle over its edge.

    Args:
        distance: Signed distance to the outline, (H, W), negative inside.
        width: How far from the edge the top is reached, object units.
        thickness: Height of the top above `base`, object units.
        base: Height of the outline itself, object units.

    Returns:
        Height above the desk, float32 of shape (H, W).
    """
    climb = 1 - np.clip(-distance / np.float32(width), 0, 1)
    height: Field = np.float32(base) + np.float32(thickness) * np.sqrt(1 - climb * climb)
    return height


class Relief:
    """Height, colour and finish of an object at each pixel; later parts cover earlier ones.

    Attributes:
        distance: Signed distance to the whole outline, float32 of shape (H, W), negative inside.
        height: Height above the desk in object units, float32 of shape (H, W).
        colour: Linear light, float32 of shape (H, W, 3), 0..1.
        finish_index: Which of `finishes` covers the pixel, uint8 of shape (H, W).
        finishes: The finishes in use.
        rise: Height that casts the shadow, object units.
    """

    def __init__(self, shape: tuple[int, int], *, rise: float) -> None:
        """Start with an empty desk of `shape` (H, W) for an object that is `rise` units tall."""
        self.distance: Field = np.full(shape, np.float32(1e3), dtype=np.float32)
        self.height: Field = np.zeros(shape, dtype=np.float32)
        self.colour: Colour = np.zeros((*shape, 3), dtype=np.float32)
        self.finish_index: npt.NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
        self.finishes: list[Finish] = []
        self.rise = rise

    def add(self, distance: Field, height: Field, colour: Colour, finish: Finish) -> None:
        """Lay a part on top.

        Args:
            distance: Signed distance to the part's outline, (H, W), negative inside.
            height: Height of the part's surface, (H, W), object units.
            colour: Linear light, shape (3,) or (H, W, 3).
            finish: The part's finish.
        """
        # A sliver beyond the outline is painted too, so that the antialiased rim has the part's colour.
        rim = (distance < np.float32(0.02)) & (self.distance > 0) & (distance < self.distance)
        covered = (distance < 0) | rim
        np.copyto(self.height, height, where=covered)
        np.copyto(self.colour, np.broadcast_to(colour, self.colour.shape), where=covered[..., None])
        if finish not in self.finishes:
            self.finishes.append(finish)
        self.finish_index[covered] = self.finishes.index(finish)
        self.distance = np.minimum(self.distance, distance)

    def tint(self, where: Field, colour: Colour) -> None:
        """Blend a linear colour of shape (3,) into the surface; `where` (H, W) holds shares in 0..1."""
        self.colour += (colour - self.colour) * where[..., None]

    def finish_map(self, attribute: str) -> Field:
        """Return one attribute of the finish at each pixel, float32 of shape (H, W)."""
        values = np.asarray([getattr(finish, attribute) for finish in self.finishes], dtype=np.float32)
        chosen: Field = values[self.finish_index]
        return chosen
