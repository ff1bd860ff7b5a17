"""Errors as the API tells them: application/problem+json (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from starlette.responses import Response

__all__ = ["Problem", "ProblemBody", "problem_response"]


class ProblemBody(msgspec.Struct, frozen=True):
    """What an error says.

    Attributes:
        title: The status in words.
        status: HTTP status.
        detail: What was wrong, what came, and the next move.
    """

    title: str
    status: int
    detail: str


class Problem(Exception):
    """A request that is refused."""

    def __init__(self, status: int, detail: str, *, retry_after_s: int | None = None) -> None:
        """Say why.

        Args:
            status: HTTP status, 400 or more.
            detail: For people: what was wrong, what came, the next move.
            retry_after_s: When to ask again, in seconds.
        """
        super().__init__(detail)
        self.status, self.detail, self.retry_after_s = status, detail, retry_after_s


def problem_response(problem: Problem) -> Response:
    """Return the answer to a request that is refused."""
    body = ProblemBody(HTTPStatus(problem.status).phrase, problem.status, problem.detail)
    headers = {} if problem.retry_after_s is None else {"Retry-After": str(problem.retry_after_s)}
    return Response(msgspec.json.encode(body), problem.status, media_type="application/problem+json", headers=headers)
