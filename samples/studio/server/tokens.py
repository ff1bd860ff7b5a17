"""The token that opens the studio to other machines, and how wrong ones are answered."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable

__all__ = ["LEAST_TOKEN_CHARACTERS", "TokenGate", "new_token"]

LEAST_TOKEN_CHARACTERS = 16
_MOST_GUESSES = 10
_WINDOW_S = 60.0
_MOST_ADDRESSES = 1024


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(24)


class TokenGate:
    """Compares tokens, and stops an address that guesses. For the event loop alone, so it takes no lock.

    A window that was open since before a restart sends its old token over and over; so only different wrong tokens
    count as guesses.
    """

    def __init__(self, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        """Guard with a token; None lets everybody in."""
        self._token, self._clock = token, clock
        self._guesses: OrderedDict[str, deque[tuple[float, bytes]]] = OrderedDict()

    @property
    def is_open(self) -> bool:
        """Whether no token is needed."""
        return self._token is None

    def wait_s(self, address: str) -> int:
        """Return for how many seconds an address has to wait before it may try again; 0 for not at all."""
        guesses = self._guesses.get(address)
        if guesses is None:
            return 0
        while guesses and guesses[0][0] < self._clock() - _WINDOW_S:
            guesses.popleft()
        if len(guesses) < _MOST_GUESSES:
            return 0
        return max(1, round(guesses[0][0] + _WINDOW_S - self._clock()))

    def admits(self, offered: str, address: str) -> bool:
        """Return whether a token is the right one; a wrong one is held against the address."""
        if self._token is None:
            return True
        if hmac.compare_digest(offered.encode("utf-8", "surrogatepass"), self._token.encode()):
            return True
        digest = hashlib.sha256(offered.encode("utf-8", "surrogatepass")).digest()
        guesses = self._guesses.setdefault(address, deque(maxlen=_MOST_GUESSES))
        self._guesses.move_to_end(address)
        if len(self._guesses) > _MOST_ADDRESSES:
            self._guesses.popitem(last=False)
        if all(digest != known for _, known in guesses):
            guesses.append((self._clock(), digest))
        return False
