"""Asking small command-line tools, which may be absent, refuse, or never answer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ToolRun", "find_tool", "run_command", "run_tool"]

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")


@dataclass(frozen=True)
class ToolRun:
    """What a tool said.

    Attributes:
        output: Its standard output.
        failure: Why that is not to be trusted, in a few words; None where it ended well.
    """

    output: str
    failure: str | None = None


def find_tool(name: str, root: Path = Path("/"), *, on_path_only: bool = False) -> Path | None:
    """Where a tool lies, or None.

    Args:
        name: Of the executable.
        root: Top of the file system to look in.
        on_path_only: Leave out the system's own folders where `$PATH` does not name them.
    """
    on_path = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder.startswith("/")]
    folders = on_path if on_path_only else [*on_path, *_SYSTEM_FOLDERS]
    found = shutil.which(name, path=os.pathsep.join(str(root / folder.lstrip("/")) for folder in folders))
    return None if found is None else Path(found)


def run_tool(name: str, *arguments: str, root: Path = Path("/"), timeout_s: float = 5.0) -> ToolRun | None:
    """Run a tool, or give None where there is none of that name."""
    tool = find_tool(name, root)
    return None if tool is None else run_command([str(tool), *arguments], timeout_s=timeout_s)


def run_command(command: Sequence[str], *, timeout_s: float) -> ToolRun:
    """Run a command without a shell and without input, in English; end it with all its children when it is late."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
            errors="replace", env={**os.environ, "LC_ALL": "C"}, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return ToolRun("", f"cannot be run ({error.strerror})")
    with process:
        try:
            output, complaint = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return ToolRun("", f"no answer within {timeout_s:g} s")
    return ToolRun(output, _failure(process.returncode, complaint or output))


def _failure(code: int, said: str) -> str | None:
    if code == 0:
        return None
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "nothing said")
    try:
        ended = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    except ValueError:
        ended = f"ended by signal {-code}"
    return f"{ended}: {last:.300}"
