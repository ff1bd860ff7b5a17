"""Addresses of RTSP streams: checked, and told without their passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from hyperflow_runtime.errors import CameraError

__all__ = ["RtspAddress", "parse_rtsp_address", "without_credentials"]

_AUTHORITY = re.compile(r"(rtsps?)://([^/?#]*)(.*)", re.ASCII | re.DOTALL)
_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(:(\d{1,5}))?", re.ASCII)
_SECRET = re.compile(r"((?:password|passwd|pass|pwd|pw|token|secret|auth|key)=)[^&/?;_]*", re.IGNORECASE)
_NEEDS_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]", re.ASCII)


@dataclass(frozen=True)
class RtspAddress:
    """An RTSP address.

    Attributes:
        address: To be opened: only characters that a URI may hold, so neither quotes, backslashes nor spaces.
        description: For people: scheme, host, port and path.
        host: Name or number; an IPv6 address without its brackets.
        port: 554, or 322 with TLS, unless the address names one.
        has_credentials: Whether a user's name is in it.
        fragment: What follows "#"; no part of what is sent to the camera.
    """

    address: str = field(repr=False)
    description: str
    host: str
    port: int
    has_credentials: bool
    fragment: str


def without_credentials(text: str) -> str:
    """Return an address of any scheme, right or wrong, without user and password."""
    return _SECRET.sub(r"\1***", re.sub(r"//.*@", "//***@", text, flags=re.DOTALL))


def _escape(text: str) -> str:
    return _NEEDS_ESCAPE.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


def parse_rtsp_address(text: str) -> RtspAddress:
    """Check an RTSP address, and percent-encode whatever a URI may not hold.

    Raises:
        CameraError: No host, a port out of 1..65535, another scheme, or what looks like a password that is not escaped.
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        raise CameraError(f"an RTSP camera is addressed as rtsp://host/path, got {without_credentials(text)!r:.120}")
    scheme, authority, rest = found.groups()
    rest, _, fragment = rest.partition("#")
    user, at, location = authority.rpartition("@")
    host = _HOST.fullmatch(location)
    if host is None or "@" in rest + fragment:
        raise CameraError(
            "an RTSP camera is addressed as rtsp://user:password@host:554/path; the host is not understood. "
            "In a user's name or password, write @ as %40, / as %2F, ? as %3F and # as %23; in a path, @ as %40"
        )
    if host[4] is not None and not 1 <= int(host[4]) <= 65535:
        raise CameraError(f"the port of an RTSP camera must be 1..65535, got {host[4]}")
    credentials = _escape(user).replace("@", "%40").replace("/", "%2F") + at
    shown = _SECRET.sub(r"\1***", unquote(rest.partition("?")[0]))
    return RtspAddress(
        address=f"{scheme}://{credentials}{location}{_escape(rest)}",
        description=f"{scheme}://{location}{shown if shown.isprintable() else ''}",
        host=host[1].strip("[]"),
        port=int(host[4] or (322 if scheme == "rtsps" else 554)),
        has_credentials=bool(user),
        fragment=fragment,
    )
