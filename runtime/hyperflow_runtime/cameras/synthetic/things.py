"""What can lie on the desk."""

from __future__ import annotations

from collections.abc import Iterable

from hyperflow_runtime.cameras.synthetic.views import EMPTY_DESK, view_files
from hyperflow_runtime.cameras.uri_options import closest
from hyperflow_runtime.errors import CameraError

__all__ = ["known_things", "no_such_thing"]


def known_things() -> tuple[str, ...]:
    """Return the names of all things that there are views of, sorted.

    Raises:
        CameraError: See `view_files`.
    """
    return tuple(sorted(thing for thing in view_files() if thing != EMPTY_DESK))


def no_such_thing(name: str, things: Iterable[str]) -> CameraError:
    """Return the error for a thing that is none of those that can be shown."""
    things = tuple(things)
    return CameraError(f"the scene has no thing {name!r:.80}{closest(str(name), things)}; it has {', '.join(things)}")
