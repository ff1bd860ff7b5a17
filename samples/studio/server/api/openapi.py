"""The OpenAPI document, made from the operations and the types that they take and give."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from server.api.bodies import JSON_BYTES
from server.api.operation import Operation, Upload
from server.guard import COOKIE, OWN_HEADER
from server.live_schemas import CameraMessage, LiveMessage, Ready, SavedMessage, StateMessage, View
from server.problems import ProblemBody

__all__ = ["openapi_document"]

_REF = "#/components/schemas/{name}"
_ABOUT = (
    "Teach this device new things from camera pictures. The WebSocket /api/live sends StateMessage, CameraMessage, "
    "SavedMessage and LiveMessage, the last followed by the frame's JPEG as a binary message, and takes Ready, which "
    "asks for the next picture, and View. "
    f"Requests other than GET carry the header {OWN_HEADER}: 1. When the studio has a token, it comes as the cookie "
    f"{COOKIE} or as Authorization: Bearer TOKEN."
)
_GUARDS = {
    401: "the token is missing or wrong",
    403: "a foreign Origin, or the studio's own header is missing",
    421: "a foreign Host",
    429: "too many wrong tokens, or too many shots",
}
_OF_SOCKET = (StateMessage, CameraMessage, SavedMessage, LiveMessage, Ready, View)


def openapi_document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Return the document.

    Args:
        operations: All of them.
        version: Of the package.
    """
    operations = tuple(operations)
    bodies = [operation.body for operation in operations if isinstance(operation.body, type)]
    answers = [operation.answer for operation in operations if not isinstance(operation.answer, str | None)]
    kinds = list(dict.fromkeys([*bodies, *answers, ProblemBody, *_OF_SOCKET]))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "HyperFlow Studio", "version": version, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"cookie": []}, {"bearer": []}],
    }


def _described(operation: Operation, schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": re.sub(r"\W+", "_", f"{operation.method.lower()}{operation.path}").strip("_"),
        "parameters": _parameters(operation),
        "responses": _responses(operation, schema_of),
    }
    if isinstance(operation.body, Upload):
        content = {media: {"schema": {"type": "string", "format": "binary"}} for media in operation.body.media_types}
        described["requestBody"] = {"required": True, "content": content}
    elif operation.body is not None:
        described["requestBody"] = {
            "required": True, "content": {"application/json": {"schema": schema_of[operation.body]}}
        }  # fmt: skip
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    text = {"type": "string"}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    parameters += [
        {"name": name, "in": "query", "description": meaning, "schema": text}
        for name, meaning in operation.query.items()
    ]
    if operation.method != "GET":
        parameters.append({"name": OWN_HEADER, "in": "header", "required": True, "schema": {"const": "1"}})
    return parameters


def _responses(operation: Operation, schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    answer = operation.answer
    good: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if isinstance(answer, str):
        good["content"] = {answer: {"schema": {"type": "string", "format": "binary"}}}
    elif answer is not None:
        good["content"] = {"application/json": {"schema": schema_of[answer]}}
    problem = {"application/problem+json": {"schema": schema_of[ProblemBody]}}
    too_large = {413: f"more than {JSON_BYTES} bytes"} if isinstance(operation.body, type) else {}
    too_slow = {408: "the body did not arrive in time"} if operation.body is not None else {}
    refusals = {**_GUARDS, **too_large, **too_slow, **operation.problems}
    return {str(operation.status): good} | {
        str(status): {"description": reason, "content": problem} for status, reason in sorted(refusals.items())
    }
