"""Loading a library in a process of its own: one that crashes or hangs there is a finding, not the doctor's end."""

from __future__ import annotations

import sys
from typing import Generic, TypeVar

import msgspec

from hyperflow_runtime.board.tool import run_command

__all__ = ["Probe", "probe"]

_Facts = TypeVar("_Facts", bound=msgspec.Struct)

# With the very path of this process: a library found there is the one that an application finds.
_SCRIPT = "import sys; sys.path[:] = sys.argv[2].split('\\n'); " + (
    "from hyperflow_runtime.doctor.probes import main; main(sys.argv[1], *sys.argv[3:])"
)


class Probe(msgspec.Struct, Generic[_Facts], frozen=True):
    """How a probe ended.

    Attributes:
        facts: What it found; None where it failed.
        failure: Why it failed.
        is_missing: Whether that is because the library is not installed.
    """

    facts: _Facts | None = None
    failure: str = ""
    is_missing: bool = False


def probe(name: str, facts: type[_Facts], *arguments: str, timeout_s: float = 60.0) -> Probe[_Facts]:
    """Run one of `probes.PROBES` in a process of its own.

    Args:
        name: Which.
        facts: What it gives.
        arguments: What it takes.
        timeout_s: When it is ended.
    """
    command = [sys.executable, "-c", _SCRIPT, name, "\n".join(sys.path), *arguments]
    run = run_command(command, timeout_s=timeout_s)
    if run.failure is not None:
        return Probe(failure=run.failure)
    try:
        return msgspec.json.decode(run.output.rstrip("\n").rpartition("\n")[2], type=Probe[facts])  # type: ignore[valid-type]
    except msgspec.MsgspecError as error:
        return Probe(failure=f"it says {run.output[-80:]!r} ({error})")
