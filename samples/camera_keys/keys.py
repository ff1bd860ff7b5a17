"""Which key does what: one table for the window, the terminal, scripts and the help."""

from __future__ import annotations

from enum import Enum

__all__ = ["HELP", "Action", "Key", "action_of", "key_from_code", "key_named"]

Key = str
"""One character; `ESCAPE` for Esc."""

ESCAPE = "\x1b"


class Action(Enum):
    """What a key asks for."""

    ADD = "add"
    UNDO = "undo"
    SAVE = "save"
    CLEAR = "clear"
    BEFORE_AFTER = "before or after"
    MIRROR = "mirror"
    PAUSE = "pause"
    HELP = "help"
    QUIT = "quit"


HELP = (
    ("1 ... 9", "one more picture for this class; hold for several"),
    ("0", "likewise of the background, with nothing on it"),
    ("u", "undo the last change"),
    ("c c", "clear: forget every class"),
    ("b", "before / after: without the adaptation, and with it"),
    ("s", "save the adaptation"),
    ("f", "mirror the picture"),
    ("space", "pause; number keys then take what you see"),
    ("h ?", "this help"),
    ("q Esc", "quit"),
)
"""Keys and what they do, for people."""

_ACTIONS = {
    "u": Action.UNDO,
    "c": Action.CLEAR,
    "b": Action.BEFORE_AFTER,
    "s": Action.SAVE,
    "f": Action.MIRROR,
    " ": Action.PAUSE,
    "h": Action.HELP,
    "?": Action.HELP,
    "q": Action.QUIT,
    ESCAPE: Action.QUIT,
} | dict.fromkeys("0123456789", Action.ADD)

_NAMED = {"space": " ", "esc": ESCAPE, "escape": ESCAPE}
_FIRST_PAD_DIGIT, _LAST_PAD_DIGIT = 0xFFB0, 0xFFB9  # X11's codes, which OpenCV passes on from GTK


def action_of(key: Key) -> Action | None:
    """Return what a key asks for, capital or not; None for a key that does nothing."""
    return _ACTIONS.get(key.lower())


def key_named(name: str) -> Key | None:
    """Return the key that a script calls so: a character, `space` or `esc`; None when it does nothing."""
    key = _NAMED.get(name.lower(), name)
    return key if action_of(key) else None


def key_from_code(code: int) -> Key | None:
    """Return the key of a code that `cv2.waitKeyEx` gave; None for none, or one without a character."""
    if code < 0:
        return None
    code &= 0xFFFF  # higher bits tell of Shift, Num Lock and the like in GTK
    if _FIRST_PAD_DIGIT <= code <= _LAST_PAD_DIGIT:
        return str(code - _FIRST_PAD_DIGIT)
    return chr(code) if code < 0x80 else None
