"""What a set knows about its classes beyond their images: groups, a graph, or the videos the images are frames of.

Classes are numbered in the order of `ImageSet.classes`, images through the classes in that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassGraph", "Structure", "Superclasses", "Video", "Videos"]

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Superclasses:
    """Classes in groups, as Omniglot's characters are in alphabets.

    Attributes:
        names: Name of each group.
        classes: For each group, the numbers of its classes.
    """

    names: tuple[str, ...]
    classes: tuple[Numbers, ...]


@dataclass(frozen=True)
class ClassGraph:
    """Internal nodes of a directed acyclic graph whose leaves are the classes, as ImageNet's in WordNet.

    Attributes:
        nodes: Identifier of each internal node, ascending.
        spans: For each node, the ascending numbers of the classes below it.
    """

    nodes: tuple[str, ...]
    spans: tuple[Numbers, ...]


@dataclass(frozen=True)
class Video:
    """One video of one object; its frames are consecutive images of the set.

    Attributes:
        name: The video's name.
        label: Number of its class.
        is_clean: The object alone (support), not in a scene with others (query).
        first_row: Row of its first frame.
        n_frames: Number of frames, in temporal order.
        shows_object: For each frame, whether the object is in view, (n_frames,); None when no annotation tells.
    """

    name: str
    label: int
    is_clean: bool
    first_row: int
    n_frames: int
    shows_object: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Videos:
    """Every video of one user.

    Attributes:
        videos: Ordered by object, kind and name.
        annotations: Where the annotations lie, or should lie; for messages.
    """

    videos: tuple[Video, ...]
    annotations: str = ""


Structure: TypeAlias = Superclasses | ClassGraph | Videos
