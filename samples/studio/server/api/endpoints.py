"""From operations to routes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError

import anyio.to_thread
import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from hyperflow_runtime.errors import (
    AdaptationError,
    AdaptationFileError,
    CameraError,
    FrameError,
    HyperflowRuntimeError,
    QueueFullError,
    SupportError,
)
from server.api.bodies import JSON_BYTES, decode_json, read_body
from server.api.operation import Answered, Call, FileAnswer, Operation, Upload
from server.problems import Problem, problem_response
from server.studio_parts import StudioParts

__all__ = ["routes_of"]

_MOST_UPLOADS = 4  # at a time; each may hold its whole limit in memory
_RETRY_AFTER_S = 1
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (QueueFullError, 429), (SupportError, 409), (AdaptationError, 409), (AdaptationFileError, 422),
    (FrameError, 415), (CameraError, 503), (FutureTimeoutError, 503), (CancelledError, 503),
)  # fmt: skip


def routes_of(operations: Iterable[Operation], parts: Callable[[], StudioParts]) -> list[Route]:
    """Return a route for each operation."""
    uploads = asyncio.Semaphore(_MOST_UPLOADS)
    return [
        Route(operation.path, _endpoint(operation, parts, uploads), methods=[operation.method])
        for operation in operations
    ]


def _endpoint(
    operation: Operation, parts: Callable[[], StudioParts], uploads: asyncio.Semaphore
) -> Callable[[Request], Awaitable[Response]]:
    async def perform(request: Request) -> Response:
        body = operation.body
        if isinstance(body, Upload):
            async with uploads:
                return await run(request, await read_body(request, body.limit(parts())))
        if body is None:
            return await run(request, None)
        return await run(request, decode_json(await read_body(request, JSON_BYTES), body))

    async def run(request: Request, body: object) -> Response:
        call = Call(request.path_params, request.query_params, body)
        return _response(operation, await anyio.to_thread.run_sync(operation.run, parts(), call))

    async def endpoint(request: Request) -> Response:
        try:
            return await perform(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Exception as error:
            return problem_response(_problem(error))

    return endpoint


def _response(operation: Operation, result: object) -> Response:
    if result is None:
        return Response(status_code=operation.status)
    if isinstance(result, Answered):
        return Response(result.data, operation.status, dict(result.headers), result.media_type)
    if isinstance(result, FileAnswer):
        return FileResponse(result.path, operation.status, media_type=operation.answer, filename=result.name)
    return Response(msgspec.json.encode(result), operation.status, media_type="application/json")


def _problem(error: Exception) -> Problem:
    """Return what is told of an error.

    Raises:
        Exception: The error itself, when nobody expected it.
    """
    if isinstance(error, Problem):
        return error
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            text = str(error) or "The device is too busy; try again."
            return Problem(status, text, retry_after_s=_RETRY_AFTER_S if status in (429, 503) else None)
    if isinstance(error, HyperflowRuntimeError):
        return Problem(500, str(error))
    raise error
