"""Listening, and ending cleanly."""

from __future__ import annotations

import logging
import signal
import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

__all__ = ["address_of", "listen", "serve"]

_GRACE_S = 3
_IDLE_S = 30
_MOST_CONNECTIONS = 128
_SOCKET_MESSAGE_BYTES = 4096


def listen(host: str, port: int) -> socket.socket:
    """Take a port.

    Args:
        host: Name or address.
        port: 0 for any that is free.

    Raises:
        OSError: It is taken, not allowed, or the host is not this machine's.
    """
    family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    # asyncio turns off the delay of small packets only where the protocol is named: without, an answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """Return the address to open, without token."""
    port = listener.getsockname()[1]
    if host in ("0.0.0.0", "::"):
        host = _outward_address(listener.family) or socket.gethostname()
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def _outward_address(family: int) -> str | None:
    """Return the address under which others reach this machine; None when it has no network. Sends nothing."""
    elsewhere = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # addresses of nobody, for documents
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((elsewhere, 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until Ctrl-C or SIGTERM; either ends it in good order, and a second one at once."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, proxy_headers=False, lifespan="on",
        ws_max_size=_SOCKET_MESSAGE_BYTES, ws_max_queue=8, ws_per_message_deflate=False,
        limit_concurrency=_MOST_CONNECTIONS, timeout_graceful_shutdown=_GRACE_S, timeout_keep_alive=_IDLE_S,
    )  # fmt: skip
    logging.getLogger("uvicorn.error").addFilter(_is_no_false_alarm)
    # uvicorn raises the signal again when it is done; by then it has done its work.
    old = {number: signal.signal(number, _pass) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _is_no_false_alarm(record: logging.LogRecord) -> bool:
    """Drop what uvicorn says of each WebSocket that was refused with a reason, as if that were an error."""
    return not record.getMessage().startswith("ASGI callable returned without completing handshake")


def _pass(number: int, frame: FrameType | None) -> None:
    return
