"""What a sink is to its courier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from delivery.database import SpooledEvent

__all__ = ["DeliveryError", "RejectedError", "Sink"]


class DeliveryError(Exception):
    """An attempt failed and is to be repeated.

    Attributes:
        retry_after_s: How long to wait first; None leaves that to the courier.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        """Say why, and how long to wait before the next attempt."""
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class RejectedError(Exception):
    """The receiver will never take the first event of the batch."""


class Sink(Protocol):
    """Takes events in order. One courier calls `deliver`; another thread may call `close`.

    Attributes:
        name: For counts and messages, and to find its place in the spool after a restart.
        window: How many events it takes in one call, 1 or more.
    """

    @property
    def name(self) -> str: ...
    @property
    def window(self) -> int: ...

    def deliver(self, events: Sequence[SpooledEvent]) -> int:
        """Hand over events.

        Args:
            events: At least one, at most `window`; after a failure the same ones come again, perhaps with more.

        Returns:
            How many, from the first on, the receiver has for sure; at least one.

        Raises:
            DeliveryError: None of them, for now.
            RejectedError: The first one, for ever.
        """

    def close(self) -> None:
        """Give up what is under way, and free everything; a second call does nothing."""
