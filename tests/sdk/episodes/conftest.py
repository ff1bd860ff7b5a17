"""Sets of given class sizes that hold no image: episodes are rows alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from PIL import Image

from hyperflow.datasets.numbered import NumberedImages
from hyperflow.images.image_set import ImageSet
from hyperflow.images.structure import Structure


class _NoSource:
    def open(self, member: str) -> Image.Image:
        raise FileNotFoundError(member)


def set_of(sizes: Sequence[int], structure: Structure | None = None, name: str = "set") -> ImageSet:
    classes = {f"{number:05}": NumberedImages(str(number), size) for number, size in enumerate(sizes)}
    return ImageSet(name, classes, _NoSource(), structure)


@pytest.fixture
def make_set() -> Callable[..., ImageSet]:
    """Make a set of classes of given sizes, with or without structure."""
    return set_of
