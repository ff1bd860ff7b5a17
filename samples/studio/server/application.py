"""The ASGI application: page, API, WebSocket, and what must run beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from hyperflow_runtime import __version__
from hyperflow_runtime.live.classifying import LiveClassifier
from hyperflow_runtime.live.smoothing import Smoother
from server.api import looking, saving, teaching
from server.api.endpoints import routes_of
from server.api.openapi import openapi_document
from server.api.reading_page import reading_page
from server.guard import Guard
from server.hosts import HostNames
from server.live_feed import LiveFeed
from server.problems import Problem, problem_response
from server.socket_endpoint import serve_window
from server.studio_parts import StudioParts
from server.tokens import TokenGate

__all__ = ["OPERATIONS", "make_application"]

OPERATIONS = (*teaching.OPERATIONS, *saving.OPERATIONS, *looking.OPERATIONS)
"""Every operation of the API."""

_PAGE = Path(__file__).parents[1] / "page"


def make_application(parts: StudioParts, hosts: HostNames, token: str | None) -> ASGIApp:
    """Return the application; its background work starts and ends with it.

    Args:
        parts: Stay open.
        hosts: Names that the studio answers to.
        token: That opens it; None for everybody.
    """
    document = openapi_document(OPERATIONS, __version__)
    description, page = msgspec.json.encode(document), reading_page(document)

    async def index(request: Request) -> Response:
        return FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    async def openapi(request: Request) -> Response:
        return Response(description, media_type="application/json")

    async def reading(request: Request) -> Response:
        return HTMLResponse(page)

    async def live(websocket: WebSocket) -> None:
        await serve_window(websocket, parts.hub)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with _running(parts):
            yield

    routes = [
        Route("/", index),
        Route("/openapi.json", openapi),
        Route("/api", reading),
        *routes_of(OPERATIONS, lambda: parts),
        WebSocketRoute("/api/live", live),
        Mount("/static", StaticFiles(directory=_PAGE)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _refusal, Exception: _failure})
    app.router.redirect_slashes = False
    return Guard(app, hosts=hosts, gate=TokenGate(token))


@asynccontextmanager
async def _running(parts: StudioParts) -> AsyncIterator[None]:
    """Run what is beside the requests: live answers, pictures, and news for the windows."""
    with LiveClassifier(parts.camera, parts.workspace.session, smoother=Smoother()) as live:
        feed = LiveFeed(live, parts.workspace, parts.maps, parts.hub.deliver)
        parts.hub.on_demand = lambda picture, direct: feed.ask(want_picture=picture, want_direct=direct)
        news = asyncio.create_task(parts.hub.run())
        try:
            yield
        finally:
            news.cancel()
            with suppress(asyncio.CancelledError):
                await news
            await asyncio.to_thread(feed.close)


async def _refusal(request: Request, error: Exception) -> Response:
    """Answer what no route takes."""
    assert isinstance(error, HTTPException)
    detail = {
        404: f"There is nothing at {request.url.path!r:.120}; /api lists what there is.",
        405: f"{request.method} is not possible at {request.url.path!r:.120}; /api lists what is.",
    }.get(error.status_code, str(error.detail))
    response = problem_response(Problem(error.status_code, detail))
    response.headers.update(error.headers or {})
    return response


async def _failure(request: Request, error: Exception) -> Response:
    text = "Something went wrong in the studio; the terminal where it runs says more."
    return problem_response(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, text))
