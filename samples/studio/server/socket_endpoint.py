"""The WebSocket `/api/live`."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.hub import Hub
from server.live_schemas import ClientMessage, Ready
from server.problems import Problem, problem_response
from server.windows import MOST_WINDOWS, Window

__all__ = ["serve_window"]

_NOT_UNDERSTOOD = 1008
_TRY_LATER = 1013


async def serve_window(websocket: WebSocket, hub: Hub) -> None:
    """Serve one window until it closes."""
    if hub.is_full:
        return await _refuse(websocket)
    await websocket.accept()
    window = Window()
    sending = asyncio.create_task(_send(websocket, hub, window))
    receiving = asyncio.create_task(_receive(websocket, hub, window))
    try:
        await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.close(window)
        for task in (sending, receiving):
            task.cancel()
        ends = await asyncio.gather(sending, receiving, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception) and not isinstance(end, (WebSocketDisconnect, OSError)):
            raise end
    if ends[1] is False:
        await websocket.close(_NOT_UNDERSTOOD, "messages are ready or view")


async def _refuse(websocket: WebSocket) -> None:
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        text = f"There are {MOST_WINDOWS} windows open already; close one first."
        await websocket.send_denial_response(problem_response(Problem(503, text, retry_after_s=5)))
    else:
        await websocket.close(_TRY_LATER)


async def _send(websocket: WebSocket, hub: Hub, window: Window) -> None:
    await hub.open(window)
    while True:
        for message in await window.next_messages():
            try:
                await (websocket.send_text(message) if isinstance(message, str) else websocket.send_bytes(message))
            except RuntimeError as error:  # so uvicorn says that the window has closed meanwhile
                raise WebSocketDisconnect from error


async def _receive(websocket: WebSocket, hub: Hub, window: Window) -> bool:
    """Listen until the window closes, True, or says what cannot be understood, False."""
    while True:
        received = await websocket.receive()
        if received["type"] == "websocket.disconnect":
            return True
        try:
            message = msgspec.json.decode(received.get("text") or b"", type=ClientMessage)
        except (msgspec.MsgspecError, RecursionError):
            return False
        if isinstance(message, Ready):
            hub.ready(window)
        else:
            hub.view(window, message)
