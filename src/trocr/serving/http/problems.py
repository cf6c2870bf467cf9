"""Errors as clients see them: ``application/problem+json`` (RFC 9457), made in this one place."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from ...errors import DataError, ImageError, OutputError, TrOCRError, UsageError
from ..messages import Busy, Failed, Stopping

MEDIA_TYPE = "application/problem+json"
GONE = 499  # as nginx: the client went before it was answered
_RETRY_SECONDS = 2.0  # where nothing better is known
_STATUS_OF = {
    UsageError.__name__: 400,
    DataError.__name__: 400,
    ImageError.__name__: 422,
    "Deadline": 504,
    "WorkerLost": 503,
    "Cancelled": GONE,
}


class Problem(Exception):  # noqa: N818
    """An answer that is an error.

    Args:
        status: of HTTP.
        kind: a fixed name in kebab case, the end of the problem's ``type``.
        detail: what went wrong and where, one sentence.
        hint: what the client can do about it.
        headers: to go with it.
        more: members besides those that every problem has.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        hint: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.hint = status, kind, detail, hint
        self.headers, self.more = dict(headers or {}), dict(more or {})

    def response(self) -> Response:
        """The whole answer."""
        body = {
            "type": f"urn:trocr:{self.kind}",
            "title": _title(self.status),
            "status": self.status,
            "detail": self.detail,
            "hint": self.hint,
            **self.more,
        }
        content = json.dumps(body)  # in ASCII: what is quoted need not be valid Unicode
        return Response(content, self.status, self.headers, MEDIA_TYPE)


def too_large(detail: str, hint: str) -> Problem:
    """More of something than the server takes."""
    return Problem(413, "too-large", detail, hint)


def busy(retry_after: float, detail: str = "The server has as much to do as it takes.") -> Problem:
    """Too much is waiting."""
    return Problem(429, "busy", detail, "Try again later.", headers=_retry(retry_after))


def stopping() -> Problem:
    """The server is about to end."""
    return _unavailable("stopping", "The server stops.")


def not_ready() -> Problem:
    """The models are not loaded yet."""
    return _unavailable("not-ready", "The server is not ready yet.")


def no_http() -> Problem:
    """What came cannot be understood."""
    return Problem(400, "http", "This is no HTTP, or its head is too long.", "Send less in it.")


def mistake() -> Problem:
    """Something of ours went wrong; what it was stays in the log."""
    return Problem(500, "internal", "The server made a mistake.", "Its log says more.")


def problem_of(error: Exception | Failed) -> Problem:
    """What a client is told about an error."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Busy):
        return busy(error.retry_after)
    if isinstance(error, Stopping):
        return stopping()
    if isinstance(error, HTTPException):
        hint = "See /openapi.json."
        return Problem(error.status_code, "http", f"{error.detail}.", hint, headers=error.headers)
    if isinstance(error, RequestValidationError):
        return Problem(422, "parameters", _wrong_parameters(error), "See /openapi.json.")
    if isinstance(error, TrOCRError):
        error = Failed(_kind_of(error), error.message, error.hint)
    if not isinstance(error, Failed) or error.kind not in _STATUS_OF:
        return mistake()
    status = _STATUS_OF[error.kind]
    headers = _retry(_RETRY_SECONDS) if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return Problem(status, _kebab(error.kind), error.message, error.hint, headers=headers)


def add_handlers(app: FastAPI) -> None:
    """Let every error of an app be answered as a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        return problem_of(error).response()

    for kind in (Problem, Busy, Stopping, TrOCRError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer)


def _unavailable(kind: str, detail: str) -> Problem:
    headers = _retry(_RETRY_SECONDS)
    return Problem(503, kind, detail, "Try again later, or elsewhere.", headers=headers)


def _retry(seconds: float) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"


def _kind_of(error: TrOCRError) -> str:
    """The nearest class with a status; output that cannot be written is the server's trouble."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((name for name in names if name in _STATUS_OF), OutputError.__name__)


def _kebab(name: str) -> str:
    return "".join(f"-{char.lower()}" if char.isupper() else char for char in name).lstrip("-")


def _wrong_parameters(error: RequestValidationError) -> str:
    """Where and what, without the values, which may be long."""
    parts = (
        f"{' '.join(str(step) for step in each['loc'])}: {each['msg']}"
        for each in list(error.errors())[:5]
    )
    return f"{'; '.join(parts)}."
