"""The options in a camera's address."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import unquote_plus

from hyperflow_runtime.errors import CameraError

__all__ = ["closest", "parse_options"]

_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def closest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" for the known word that is most like a wrong one, or an empty string."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def _whole(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError("a whole number")
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        raise ValueError("a number")
    return float(text)


def _truth(text: str) -> bool:
    try:
        return _TRUTHS[text.lower()]
    except KeyError:
        raise ValueError("true or false") from None


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}{closest(text, words)}")
        return text

    return parse


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "width": _whole,
    "height": _whole,
    "fps": _number,
    "flip": _one_of("none", "horizontal", "vertical", "rotate-90", "rotate-180", "rotate-270"),
    "loop": _truth,
    "warm_up_frames": _whole,
    "timeout_s": _number,
    "reconnect": _truth,
    "pace": _one_of("clock", "reader"),
    "latency_ms": _whole,
    "transport": _one_of("tcp", "udp"),
    "codec": _one_of("h264", "h265"),
}


def parse_options(text: str, known: tuple[str, ...], *, of: str, keep_others: bool = False) -> dict[str, object]:
    """Read "width=640&fps=30".

    Args:
        text: What stands behind "?", or behind "#".
        known: Names that may come.
        of: What the options are of, for errors: "csi://".
        keep_others: Return other options as text, for a source that has options of its own.

    Raises:
        CameraError: An unknown name, one that comes twice, or a value that is not of its kind. Ranges are checked by
            `CameraOptions`.
    """
    found: dict[str, object] = {}
    for part in filter(None, text.split("&")):
        name, _, value = (unquote_plus(piece) for piece in part.partition("="))
        if name in found:
            raise CameraError(f"option {name:.40} of {of} comes twice; leave one")
        if name in known:
            found[name] = _parsed(name, value)
        elif keep_others and re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
            found[name] = value
        else:
            raise CameraError(f"{of} has no option {name!r:.60}{closest(name, known)}; it has {', '.join(known)}")
    return found


def _parsed(name: str, value: str) -> object:
    try:
        return _PARSERS[name](value)
    except ValueError as error:
        raise CameraError(f"option {name} must be {error}, got {value!r:.60}") from None
