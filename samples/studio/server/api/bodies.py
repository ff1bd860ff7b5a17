"""Bodies of requests: read up to a limit and no further, whatever their headers say."""

from __future__ import annotations

import anyio
import msgspec
from starlette.requests import Request

from server.problems import Problem

__all__ = ["JSON_BYTES", "decode_json", "read_body"]

JSON_BYTES = 64 * 2**10
_PATIENCE_S = 60.0
_DRAINED_BYTES = 64 * 2**20


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body.

    Args:
        request: Its sender may lie about the length.
        limit: Most bytes.

    Raises:
        Problem: 413, larger; 408, not there in time.
    """
    chunks: list[bytes] = []
    n_bytes = 0
    try:
        with anyio.fail_after(_PATIENCE_S):
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes > limit + _DRAINED_BYTES:
                    break
                if n_bytes <= limit:
                    chunks.append(chunk)
                else:
                    chunks.clear()  # read on for a while, and forget: a browser hears no answer before it has sent all
    except TimeoutError as error:
        raise Problem(408, f"The upload did not arrive within {_PATIENCE_S:g} s; try again.") from error
    if n_bytes > limit:
        raise Problem(413, f"The upload is larger than {limit:,} bytes; make it smaller.")
    return b"".join(chunks)


def decode_json(data: bytes, kind: type) -> object:
    """Decode a JSON body.

    Raises:
        Problem: 400, not JSON; 422, not what it should be.
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise Problem(422, f"The request is not understood: {error}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(400, f"The body of {len(data)} bytes is not JSON ({error}).") from error
