"""Which Debian packages are installed, from dpkg's own file: quicker than asking dpkg, and no process."""

from __future__ import annotations

from pathlib import Path

from hyperflow_runtime.board.reading import read_text

__all__ = ["debian_packages"]

_MAX_BYTES = 64 * 2**20


def debian_packages(root: Path = Path("/")) -> dict[str, str]:
    """Version of each installed package; empty on another system.

    Args:
        root: Top of the file system to look in.
    """
    listed = read_text(root / "var/lib/dpkg/status", max_bytes=_MAX_BYTES) or ""
    found: dict[str, str] = {}
    for stanza in listed.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
        if fields.get("Status", "").endswith(" installed") and "Package" in fields:
            found[fields["Package"]] = fields.get("Version", "")
    return found
