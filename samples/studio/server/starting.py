"""From the options of the command to a running studio."""

from __future__ import annotations

import os
import socket
import threading
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import click

from hyperflow_runtime import HyperflowRuntimeError, open_bundle
from hyperflow_runtime.cameras.opening import open_camera
from hyperflow_runtime.cameras.options import CameraOptions, Flip
from hyperflow_runtime.heap import limit_arenas
from hyperflow_runtime.model import BackendName
from server.application import make_application
from server.hosts import is_loopback, names_of
from server.serving import address_of, listen, serve
from server.studio_parts import studio_parts
from server.tokens import LEAST_TOKEN_CHARACTERS, new_token

__all__ = ["start"]

_FIRST_CAMERA = Path("/dev/video0")
_RENDERED = "synthetic://"


def start(
    *, bundle: Path, camera: str | None, width: int | None, height: int | None, fps: float | None, flip: Flip,
    host: str, port: int, token: str | None, data: Path | None, backend: BackendName, is_opening: bool,
) -> int:  # fmt: skip
    """Run the studio until it is told to end.

    Returns:
        Exit status.
    """
    limit_arenas()  # before any thread
    with ExitStack() as stack:
        try:
            token = _token(host, token)
            listener = stack.enter_context(_listener(host, port))
            folder = data or _default_folder()
            _check_bundle(bundle)
            model = stack.enter_context(open_bundle(bundle, backend))
            options = CameraOptions(width=width, height=height, fps=fps, flip=flip)
            opened = stack.enter_context(open_camera(_camera(camera), options, wait=False))
            parts = stack.enter_context(studio_parts(model, opened, folder))
        except (HyperflowRuntimeError, click.UsageError) as error:
            return _refuse(str(error))
        except OSError as error:
            return _refuse(f"the folder of saved adaptations cannot be used ({error}); name another with --data")
        _greet(address_of(listener, host), host, token, folder, is_opening=is_opening)
        serve(make_application(parts, names_of(host), token), listener)
    click.echo("Stopped.")
    return 0


def _refuse(text: str) -> int:
    click.echo(f"Error: {text}", err=True)
    return 1


def _token(host: str, token: str | None) -> str | None:
    if token is not None and (len(token) < LEAST_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable()):
        raise click.UsageError(
            f"the token must have {LEAST_TOKEN_CHARACTERS} or more ASCII characters, this one has {len(token)}; "
            "leave it out, and one is made"
        )
    return token or (None if is_loopback(host) else new_token())


def _check_bundle(bundle: Path) -> None:
    if not bundle.exists():
        raise click.UsageError(
            f"no bundle at {bundle}; make studio and make demo export one to build/small.hyperflow, or name yours with "
            "--bundle"
        )


def _listener(host: str, port: int) -> socket.socket:
    try:
        return listen(host, port)
    except OSError as error:
        raise click.UsageError(
            f"cannot listen at {host}, port {port} ({error.strerror or error}); end what uses it, or choose "
            "another with --port, 0 for any that is free"
        ) from error


def _default_folder() -> Path:
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local/share") / "hyperflow/studio"


def _camera(given: str | None) -> str:
    if given is not None:
        return given
    if _FIRST_CAMERA.exists():
        return str(_FIRST_CAMERA)
    click.echo(f"No {_FIRST_CAMERA}: showing a rendered scene, {_RENDERED}. Name a camera with --camera.")
    return _RENDERED


def _greet(address: str, host: str, token: str | None, folder: Path, *, is_opening: bool) -> None:
    whole = address if token is None else f"{address}?token={quote(token, safe='')}"
    click.echo(f"Saved adaptations: {folder}")
    if not is_loopback(host):
        click.echo("Other machines can open this studio, with the token. The connection is not encrypted.")
    click.echo(f"Open {whole}")
    click.echo("Ctrl-C ends it.")
    if is_opening:
        threading.Timer(1.0, webbrowser.open, [whole]).start()
