"""What the address of a rendered scene may say: `synthetic://desk?things=mug,key&dwell_s=4&empty_s=1.5&seed=0`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hyperflow_runtime.cameras.synthetic.things import known_things, no_such_thing
from hyperflow_runtime.cameras.synthetic.views import EMPTY_DESK
from hyperflow_runtime.cameras.uri_options import closest
from hyperflow_runtime.errors import CameraError

__all__ = ["SceneOptions"]

_KEYS = ("things", "dwell_s", "empty_s", "seed")
_MAX_SECONDS = 3600.0
_MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class SceneOptions:
    """What a rendered scene shows.

    Attributes:
        things: What can be shown, in the order in which it is shown; at least one.
        dwell_s: How long each is shown, seconds, above 0.
        empty_s: How long the desk is empty after each, seconds, 0 or more.
        seed: Of all that is random.
    """

    things: tuple[str, ...]
    dwell_s: float = 4.0
    empty_s: float = 1.5
    seed: int = 0

    @classmethod
    def parsed(cls, target: str, options: Mapping[str, str]) -> SceneOptions:
        """Read the parts of an address.

        Args:
            target: "desk", or nothing.
            options: From the query; every key may be absent.

        Raises:
            CameraError: No such scene, thing or option, or a value that is out of range.
        """
        if target not in ("", EMPTY_DESK):
            raise CameraError(f"no rendered scene {target!r:.80}; write synthetic://{EMPTY_DESK}, or just synthetic://")
        for key in options:
            if key not in _KEYS:
                raise CameraError(
                    f"a rendered scene has no option {key!r:.80}{closest(key, _KEYS)}; it has {', '.join(_KEYS)}"
                )
        return cls(
            things=_things(options.get("things", "")),
            dwell_s=_seconds("dwell_s", options.get("dwell_s", "4"), lowest=0.1),
            empty_s=_seconds("empty_s", options.get("empty_s", "1.5"), lowest=0.0),
            seed=_seed(options.get("seed", "0")),
        )


def _things(text: str) -> tuple[str, ...]:
    known = known_things()
    if not text:
        return known
    things = tuple(thing.strip() for thing in text.split(","))
    for thing in things:
        if thing not in known:
            raise no_such_thing(thing, known)
    if len(set(things)) < len(things):
        raise CameraError(f"things={text!r:.80} names a thing twice; name each once")
    return things


def _seconds(key: str, text: str, *, lowest: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not lowest <= value <= _MAX_SECONDS:
        raise CameraError(f"{key} must be {lowest:g}..{_MAX_SECONDS:g} seconds, got {text!r:.80}")
    return value


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _MAX_SEED):
        raise CameraError(f"seed must be a whole number from 0 to {_MAX_SEED}, got {text!r:.80}")
    return int(text)
