"""Running programs inside a root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emulation.programs import run

__all__ = ["Bind", "run_inside"]

# Arguments: root, cpuinfo or nothing, number of binds, then source, target and `ro` or `rw` of each, then the command.
# The shell stays as process 1: the kernel shields that one from deadly signals, and a crash there would never end.
_ENTER = """
set -eu
root=$1 cpuinfo=$2 n_binds=$3
shift 3
mount --bind "$root" "$root"
cd "$root"
mount --rbind /dev dev
mount --rbind /sys sys
mount -t proc proc proc
[ -z "$cpuinfo" ] || mount --bind "$cpuinfo" proc/cpuinfo
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs mnt
while [ "$n_binds" -gt 0 ]; do
  mkdir -p "mnt/$2"
  mount --bind "$1" "mnt/$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "mnt/$2"
  shift 3
  n_binds=$((n_binds - 1))
done
chroot . "$@"
"""


@dataclass(frozen=True)
class Bind:
    """A folder of this machine that the inside sees.

    Attributes:
        source: The folder here.
        name: It is `/mnt/NAME` inside.
        writable: Whether the inside may change it.
    """

    source: Path
    name: str
    writable: bool = False


def run_inside(
    root: Path, command: Sequence[str], *, binds: Sequence[Bind] = (), environment: Mapping[str, str], what: str,
    cpuinfo: Path | None = None, log: Path | None = None,
) -> str:  # fmt: skip
    """Run a program with `root` as its root folder, in mount and process namespaces of its own.

    Nothing is ever mounted as the rest of this machine sees it: whatever way the program ends, nothing needs to be
    unmounted, and the root stays as it was.

    Args:
        root: Folder with a whole system.
        command: Program and arguments.
        binds: Folders to show inside.
        environment: The program's, whole.
        what: Names the work in the error.
        cpuinfo: File to show as `/proc/cpuinfo`.
        log: File for what it prints, as in `run`.

    Raises:
        ProofFailed: It failed.
    """
    bind_words = [
        word
        for bind in binds
        for word in (str(bind.source.resolve()), bind.name, "rw" if bind.writable else "ro")
    ]  # fmt: skip
    return run(
        ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
         "/bin/sh", "-c", _ENTER, "enter", str(root), str(cpuinfo or ""), str(len(binds)), *bind_words, *command],
        what=what, log=log,
        environment={"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", **environment},
    )  # fmt: skip
