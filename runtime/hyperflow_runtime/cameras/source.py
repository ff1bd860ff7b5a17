"""What a source of frames is to a camera: opened, read and closed by one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["EndOfSource", "Source", "SourceFrame", "Stage"]


class EndOfSource(Exception):
    """A file, folder or recording is over; not an error, so it is no `HyperflowRuntimeError`."""


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """Pixels as the source gives them, uint8 BGR (H, W, 3), and what is to be seen; see `CapturedFrame.label`."""

    image_bgr: NDArray[np.uint8]
    label: str | None = None


class Stage(Protocol):
    """Decides what a rendered scene shows. Any thread may call it."""

    @property
    def things(self) -> Sequence[str]:
        """Names of all things that can be shown."""

    @property
    def shown(self) -> str | None:
        """What is to be seen now; None for the empty desk."""

    @property
    def in_turn(self) -> bool:
        """Whether one thing is shown after the other."""

    def show(self, thing: str | None) -> None:
        """Show a thing, or the empty desk, until told otherwise.

        Raises:
            CameraError: No such thing.
        """

    def show_in_turn(self) -> None:
        """Go back to showing one thing after the other."""


class Source(Protocol):
    """Frames, one after the other. `Camera` alone talks to it, from one thread; only `stage` is for others.

    Attributes:
        description: For people; never with a password.
        is_live: A lens or a stream: it runs by its own clock, needs warm-up, and may come back after it is gone.
        stage: What decides the scene, for a rendered one.
    """

    @property
    def description(self) -> str: ...
    @property
    def is_live(self) -> bool: ...
    @property
    def stage(self) -> Stage | None: ...

    @property
    def nominal_fps(self) -> float | None:
        """Rate at which a file is to be played; None to take frames as they come. Known once opened."""

    def open(self) -> None:
        """Open, or open again from the start.

        Raises:
            CameraError: Absent, busy, refused, no pictures; with the next move.
        """

    def read(self) -> SourceFrame:
        """Return the next frame, waiting for it.

        Raises:
            CameraError: The source is gone, or gave something that is no picture.
            EndOfSource: It is over.
        """

    def close(self) -> None:
        """Free everything; a second call does nothing."""
