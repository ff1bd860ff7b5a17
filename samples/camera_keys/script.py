"""Scripts: keys to press, and things to show, at given times, so that a run needs nobody.

One step a line, or several with commas between them: `WHEN: WHAT`. WHEN is a time (`2s`, `1.5s`) or the number of a
frame (`45`), counted from the first frame, or two of them for a key that is held (`1s-2s`). WHAT is a key, or
`show THING`, `show nothing`, `show in turn` for a camera with a scene (`synthetic://`). `#` starts a comment.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from keys import Key, key_named

__all__ = ["Script", "ScriptError", "Show", "Step", "parse_script", "read_script"]

_MAX_BYTES = 100_000
_MAX_S = 86_400.0
_WHEN = r"(\d+(?:\.\d+)?)\s*(s?)"
_STEP = re.compile(rf"{_WHEN}\s*(?:-\s*{_WHEN}\s*)?:\s*(\S.*)")


class ScriptError(ValueError):
    """A script cannot be read."""


@dataclass(frozen=True)
class Show:
    """What the scene is to show from now on: a thing, nothing (None), or one thing after the other (`in_turn`)."""

    thing: str | None
    in_turn: bool = False


@dataclass(frozen=True)
class Moment:
    """A time since the first frame: seconds, or the number of a frame."""

    value: float
    in_seconds: bool

    def has_come(self, index: int, at_s: float) -> bool:
        """Return whether frame `index`, `at_s` seconds after the first, is at this moment or later."""
        return (at_s + 1e-6 if self.in_seconds else index) >= self.value


@dataclass(frozen=True)
class Step:
    """One line of a script: `what` is done at `start`, or with each frame until `end` has come."""

    start: Moment
    end: Moment | None
    what: Key | Show


class Script:
    """A script that is being played."""

    def __init__(self, steps: tuple[Step, ...] = ()) -> None:
        """Start before the first frame."""
        self._waiting = list(steps)

    @property
    def things(self) -> tuple[str, ...]:
        """Things that are to be shown, each once."""
        shows = (step.what for step in self._waiting if isinstance(step.what, Show))
        return tuple(dict.fromkeys(show.thing for show in shows if show.thing is not None))

    @property
    def needs_scene(self) -> bool:
        """Whether something is to be shown."""
        return any(isinstance(step.what, Show) for step in self._waiting)

    def due(self, index: int, at_s: float) -> list[Key | Show]:
        """Return what is to be done at a frame, in the script's order.

        Args:
            index: Number of the frame; the first is 0.
            at_s: Its time since the first, seconds.
        """
        due, waiting = [], []
        for step in self._waiting:
            if not step.start.has_come(index, at_s):
                waiting.append(step)
            elif step.end is None:
                due.append(step.what)
            elif not step.end.has_come(index, at_s):
                due.append(step.what)
                waiting.append(step)
        self._waiting = waiting
        return due


def read_script(text_or_file: str) -> Script:
    """Read a script from a file of that name, or else take the text itself as the script.

    Raises:
        ScriptError: No such file, too long, or a step that cannot be read.
    """
    if _STEP.match(text_or_file.lstrip()) or not text_or_file.strip():
        return parse_script(text_or_file)
    path = Path(text_or_file)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScriptError(
            f"--script {text_or_file!r:.80} is neither a script such as '1s: 1, 2s: 2' nor a file to read ({reason})"
        ) from error
    if len(data) > _MAX_BYTES:
        raise ScriptError(f"{path} has more than {_MAX_BYTES} bytes; a script has a short line a step")
    return parse_script(text)


def parse_script(text: str) -> Script:
    """Read a script; see the module.

    Raises:
        ScriptError: It is empty, or a step cannot be read.
    """
    steps = []
    for number, line in enumerate(text.splitlines(), 1):
        for part in line.partition("#")[0].split(","):
            if part.strip():
                steps.append(_parse_step(part.strip(), number))
    if not steps:
        raise ScriptError("the script has no step; write for example '1s: 1, 2s: 2, 4s: q'")
    return Script(tuple(steps))


def _parse_step(text: str, number: int) -> Step:
    where = f"line {number} of the script, {text!r:.80}"
    match = _STEP.fullmatch(text)
    if match is None:
        raise ScriptError(f"{where}: write WHEN: WHAT, for example '1.5s: 1', '45: s' or '2s: show mug'")
    start = _moment(match[1], match[2], where)
    end = None if match[3] is None else _moment(match[3], match[4], where)
    if end is not None and (end.in_seconds != start.in_seconds or end.value <= start.value):
        raise ScriptError(f"{where}: the end must come after the start, both as times or both as frames")
    what = _what(match[5].strip(), where)
    if end is not None and isinstance(what, Show):
        raise ScriptError(f"{where}: only keys are held; write one time for show")
    return Step(start, end, what)


def _moment(value: str, unit: str, where: str) -> Moment:
    number = float(value)
    if not math.isfinite(number) or (unit and number > _MAX_S):
        raise ScriptError(f"{where}: a time must be at most {_MAX_S:g} seconds")
    if not unit and "." in value:
        raise ScriptError(f"{where}: a frame's number is whole; write {value}s for seconds")
    return Moment(number, bool(unit))


def _what(text: str, where: str) -> Key | Show:
    verb, _, rest = text.partition(" ")
    if verb == "show" and rest.strip():
        thing = rest.strip()
        if thing == "in turn":
            return Show(None, in_turn=True)
        return Show(None if thing == "nothing" else thing)
    key = key_named(text)
    if key is None:
        raise ScriptError(f"{where}: {text!r:.40} is no key; keys are 0..9 u c b s f space h q, and show THING")
    return key
