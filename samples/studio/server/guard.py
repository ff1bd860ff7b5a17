"""What stands before every request: Host, Origin, token, and the headers of every answer."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from server.hosts import HostNames
from server.login_page import login_page
from server.problems import Problem, problem_response
from server.tokens import TokenGate

__all__ = ["COOKIE", "OWN_HEADER", "Guard"]

COOKIE = "studio_token"
OWN_HEADER = "X-HyperFlow-Studio"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_COOKIE_AGE_S = 90 * 24 * 3600
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """Wraps the application; refuses what does not come from the studio's own page, or has no token."""

    def __init__(self, app: ASGIApp, *, hosts: HostNames, gate: TokenGate) -> None:
        """Guard an application.

        Args:
            app: What is behind.
            hosts: Names that a Host header may have.
            gate: Knows the token.
        """
        self._app, self._hosts, self._gate = app, hosts, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        sending = _with_headers(scope, send) if scope["type"] == "http" else send
        try:
            response = self._opening(scope)
            if response is None:
                self._check_origin(scope)
                response = self._check_token(scope)
        except Problem as problem:
            response = problem_response(problem)
        if response is None:
            return await self._app(scope, receive, sending)
        if scope["type"] == "http":
            return await response(scope, receive, sending)
        await _deny(scope, receive, send, response)

    def _opening(self, scope: Scope) -> Response | None:
        """Check the Host; for `/?token=...`, keep the token in a cookie, so that it leaves the address bar."""
        connection = HTTPConnection(scope)
        host = connection.headers.get("host", "")
        if not self._hosts.allow(host):
            raise Problem(
                421, f"The studio does not answer to the name {host!r:.80}; open it under the address that it printed."
            )
        offered = connection.query_params.get("token")
        if scope["type"] != "http" or scope["path"] != "/" or offered is None or scope["method"] != "GET":
            return None
        if self._gate.is_open:
            return RedirectResponse("/", 303)
        self._check_guessing(scope)
        if not self._gate.admits(offered, _address(scope)):
            return login_page(is_wrong=True)
        response = RedirectResponse("/", 303)
        is_https = scope["scheme"] == "https"
        # Not "strict", which asks again whoever follows a link from a chat: what changes something, and every socket,
        # must come from this origin anyway.
        response.set_cookie(COOKIE, offered, _COOKIE_AGE_S, httponly=True, samesite="lax", secure=is_https)
        return response

    def _check_origin(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        is_unsafe = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
        if not is_unsafe:
            return
        origin = headers.get("origin")
        host = headers["host"].strip().lower()
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise Problem(403, f"Requests from {origin!r:.120} are refused; use the studio's own page.")
        if scope["type"] == "http" and headers.get(OWN_HEADER) != "1":
            raise Problem(403, f"The header {OWN_HEADER}: 1 is missing; requests that change something must carry it.")

    def _check_token(self, scope: Scope) -> Response | None:
        if self._gate.is_open or scope["path"].startswith("/static/"):  # the studio's source is no secret
            return None
        offered = _offered_token(HTTPConnection(scope))
        if offered is not None:
            self._check_guessing(scope)
            if self._gate.admits(offered, _address(scope)):
                return None
        if scope["type"] == "http" and scope["path"] in ("/", "/api"):
            return login_page(is_wrong=offered is not None)
        what = "is missing" if offered is None else "is wrong"
        raise Problem(401, f"The token {what}; open the address that the studio printed when it started.")

    def _check_guessing(self, scope: Scope) -> None:
        wait_s = self._gate.wait_s(_address(scope))
        if wait_s:
            raise Problem(
                429, f"Too many wrong tokens came from this address; try again in {wait_s} s.", retry_after_s=wait_s
            )


def _offered_token(connection: HTTPConnection) -> str | None:
    kind, _, token = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token.strip()
    try:
        cookie = SimpleCookie(connection.headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    if cookie is not None:
        return cookie.value
    return connection.query_params.get("token") if connection.scope["type"] == "websocket" else None


def _address(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def _with_headers(scope: Scope, send: Send) -> Send:
    is_static = scope["path"].startswith("/static/")

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-cache" if is_static else "no-store")
        await send(message)

    return sending


async def _deny(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Refuse a WebSocket with the status that says why, where the server can, else by closing it."""
    websocket = WebSocket(scope, receive, send)
    if "websocket.http.response" in scope.get("extensions", {}):
        await websocket.send_denial_response(response)
    else:
        await websocket.close(1008)
