"""Addresses of cameras: what jetson-inference's are, and a few more."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal
from urllib.parse import unquote

from hyperflow_runtime.cameras.rtsp_address import parse_rtsp_address, without_credentials
from hyperflow_runtime.cameras.uri_options import closest, parse_options
from hyperflow_runtime.errors import CameraError

__all__ = ["CameraKind", "CameraUri", "parse_camera_uri"]

CameraKind = Literal["csi", "v4l2", "rtsp", "file", "folder", "synthetic", "recorded"]

_MAX_CHARACTERS = 2048
_FORMS = "csi://0, /dev/video0, rtsp://host/path, file://video.mp4, dir://images, synthetic://, recorded://folder"
_ANY = ("flip", "timeout_s", "warm_up_frames")
_OPTIONS: Mapping[CameraKind, tuple[str, ...]] = {
    "csi": ("width", "height", "fps", "reconnect", *_ANY),
    "v4l2": ("width", "height", "fps", "reconnect", *_ANY),
    "rtsp": ("latency_ms", "transport", "codec", "reconnect", *_ANY),
    "file": ("fps", "loop", "pace", *_ANY),
    "folder": ("fps", "loop", "pace", *_ANY),
    "synthetic": ("width", "height", "fps", "pace", *_ANY),
    "recorded": ("loop", "pace", *_ANY),
}
_OF_SOURCE = ("latency_ms", "transport", "codec")


@dataclass(frozen=True)
class CameraUri:
    """An address, understood.

    Attributes:
        kind: What reads it.
        target: Sensor number ("0"), device ("/dev/video0"), whole RTSP address, path, or name of a scene. May hold a
            password, so it is no part of `repr`.
        description: The same for people, without passwords.
        settings: Fields of `CameraOptions` that the address sets.
        own: Options that only this kind of source has, checked for RTSP, as they came for a rendered scene.
    """

    kind: CameraKind
    target: str = field(repr=False)
    description: str
    settings: Mapping[str, object]
    own: Mapping[str, object]


def parse_camera_uri(text: str) -> CameraUri:
    """Understand a camera's address; see docs/cameras.md for all forms.

    Raises:
        CameraError: Not an address; says which form or option is closest. Passwords are not repeated.
    """
    if not isinstance(text, str) or not text.strip():
        raise CameraError(f"a camera's address must be text, got {text!r:.80}; say {_FORMS}")
    if len(text) > _MAX_CHARACTERS:
        raise CameraError(f"a camera's address has at most {_MAX_CHARACTERS} characters, got {len(text)}")
    if not text.isprintable():
        raise CameraError("a camera's address has a line break or another control character in it; take it out")
    scheme, mark, rest = text.partition("://")
    if not mark:
        return _without_scheme(text)
    parse = _SCHEMES.get(scheme.lower())
    if parse is None:
        hint = closest(scheme, _SCHEMES)
        raise CameraError(f"no camera is addressed as {without_credentials(text)!r:.120}{hint}; say {_FORMS}")
    return parse(rest)


def _without_scheme(text: str) -> CameraUri:
    if re.fullmatch(r"\d{1,3}(\?.*)?", text, re.ASCII) or text.startswith("/dev/"):
        return _v4l2(text)
    before_query, _, query = text.partition("?")
    for path, options in ((text, ""), (before_query, query)):
        if os.path.exists(path):  # pathlib's raises where this user may not look
            return _local(path, options)
    shown = _without_login(text)
    raise CameraError(
        f"{shown!r:.120} is no file or folder here that this user may see, and no camera's address; say {_FORMS}"
    )


def _without_login(text: str) -> str:
    """Text that may be a mistyped stream's address, without what stands in front of its host."""
    return re.sub(r".*@", "***@", without_credentials(text))


def _understood(kind: CameraKind, target: str, description: str, options: str, of: str) -> CameraUri:
    found = parse_options(options, _OPTIONS[kind], of=of, keep_others=kind == "synthetic")
    own = {name: value for name, value in found.items() if name in _OF_SOURCE or name not in _OPTIONS[kind]}
    settings = {name: value for name, value in found.items() if name not in own}
    return CameraUri(kind, target, description, MappingProxyType(settings), MappingProxyType(own))


def _csi(rest: str) -> CameraUri:
    sensor, _, options = rest.partition("?")
    if not re.fullmatch(r"\d|1[0-5]", sensor, re.ASCII):
        raise CameraError(
            f"a CSI camera is named by its sensor number, csi://0 .. csi://15, got {_without_login(sensor)!r:.60}"
        )
    return _understood("csi", sensor, f"csi://{sensor}", options, "csi://")


def _v4l2(rest: str) -> CameraUri:
    device, _, options = rest.partition("?")
    if re.fullmatch(r"\d{1,3}", device, re.ASCII):
        device = f"/dev/video{int(device)}"
    if not re.fullmatch(r"/dev/[A-Za-z0-9._:+/-]{1,200}", device, re.ASCII) or ".." in device:
        raise CameraError(
            f"a USB camera is named by its device, /dev/video0 or v4l2://0, got {_without_login(device)!r:.120}"
        )
    return _understood("v4l2", device, device, options, "v4l2://")


def _rtsp(scheme: str) -> Callable[[str], CameraUri]:
    def parse(rest: str) -> CameraUri:
        # A stream's own address may hold any query, "fps" among it, so what is meant for us follows "#".
        parsed = parse_rtsp_address(f"{scheme}://{rest}")
        return _understood("rtsp", parsed.address, parsed.description, parsed.fragment, f"{scheme}://...#")

    return parse


def _local(path: str, options: str) -> CameraUri:
    kind: CameraKind = "folder" if os.path.isdir(path) else "file"
    return _understood(kind, path, path, options, "a folder" if kind == "folder" else "file://")


def _file(rest: str) -> CameraUri:
    path, _, options = rest.partition("?")
    return _local(_path(path, "file://video.mp4"), options)


def _at_path(kind: CameraKind, form: str) -> Callable[[str], CameraUri]:
    def parse(rest: str) -> CameraUri:
        path, _, options = rest.partition("?")
        target = _path(path, form)
        return _understood(kind, target, target, options, form)

    return parse


def _path(text: str, form: str) -> str:
    path = unquote(text)
    if not path or not path.isprintable():
        raise CameraError(f"a path must follow, as in {form}, got {path!r:.120}")
    return path


def _synthetic(rest: str) -> CameraUri:
    name, _, options = rest.partition("?")
    name = name.strip("/")
    if not re.fullmatch(r"[A-Za-z0-9_-]{0,40}", name, re.ASCII):
        raise CameraError(f"a rendered scene has a name of letters and digits, or none, got {name!r:.60}")
    return _understood("synthetic", name, f"synthetic://{name}", options, "synthetic://")


_SCHEMES: Mapping[str, Callable[[str], CameraUri]] = {
    "csi": _csi,
    "v4l2": _v4l2,
    "usb": _v4l2,
    "rtsp": _rtsp("rtsp"),
    "rtsps": _rtsp("rtsps"),
    "file": _file,
    "dir": _at_path("folder", "dir://images"),
    "synthetic": _synthetic,
    "recorded": _at_path("recorded", "recorded://folder"),
}
