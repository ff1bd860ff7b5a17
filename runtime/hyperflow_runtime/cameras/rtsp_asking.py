"""Asks an RTSP server itself why a stream did not open, for video libraries do not tell."""

from __future__ import annotations

import re
import socket

from hyperflow_runtime.cameras.rtsp_address import RtspAddress

__all__ = ["why_not"]

_MAX_ANSWER_BYTES = 4096


def why_not(address: RtspAddress, *, timeout_s: float) -> str:
    """Return why a stream may not have opened, and the next move.

    Args:
        address: Where it is. User and password are not sent.
        timeout_s: How long to wait for the server, at each step.
    """
    where = f"{address.host}:{address.port}"
    try:
        with socket.create_connection((address.host, address.port), timeout=timeout_s) as connection:
            if address.description.startswith("rtsps"):
                return f"{where} answers, but no stream came; are the path, the user and the password right?"
            connection.sendall(_describe(address))
            answer = connection.recv(_MAX_ANSWER_BYTES).decode("latin-1")
    except (socket.gaierror, UnicodeError):  # the second for a name that no machine can have
        return f"no machine is known by the name {address.host}; say its number instead"
    except ConnectionRefusedError:
        return f"{where} refuses connections; is RTSP switched on in the camera, and is this its port?"
    except TimeoutError:
        return f"{where} does not answer; is the camera on, and in this network?"
    except OSError as error:
        return f"{where} cannot be reached ({error.strerror or error}); is the camera on, and in this network?"
    return _meaning(answer, where, has_credentials=address.has_credentials)


def _describe(address: RtspAddress) -> bytes:
    bare = re.sub(r"//[^/?]*@", "//", address.address)
    return f"DESCRIBE {bare} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".encode("ascii")


def _meaning(answer: str, where: str, *, has_credentials: bool) -> str:
    if not answer:
        return f"{where} closes the connection without an answer; is this the right port?"
    found = re.match(r"RTSP/\d\.\d (\d{3})", answer)
    if found is None:
        return f"what answers at {where} does not speak RTSP; is this the right port?"
    code = int(found[1])
    if code in (401, 403) and has_credentials:
        return (
            f"{where} refuses this user and password, or has no such path, or gave no picture in time; where both are "
            "right, give it more with timeout_s"
        )
    if code in (401, 403):
        return f"{where} asks for a user and a password: rtsp://user:password@{where}/path"
    if code == 404:
        return f"{where} has no such path; the camera's manual names it"
    if code >= 400:
        return f"{where} answers with RTSP status {code}"
    return f"{where} offers the stream, but no picture came in time; give it more with timeout_s"
