"""What a worker says, as the answer to a request."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response

from ..messages import Event, Failed, Output
from .headers import DOCUMENT_POLICY
from .pool_interface import Running
from .problems import mistake, problem_of

_Wanted = TypeVar("_Wanted", bound=Event)
_UNQUOTABLE = re.compile(r"[^ !#-\[\]-~]")  # in a quoted string of a header


async def last_of(kind: type[_Wanted], running: Running, request: Request) -> _Wanted:
    """Wait for the event of some kind, as long as the client waits too.

    Raises:
        Problem: the task failed.
    """
    found: _Wanted | None = None
    with _cancelled_with(running, request):
        async for event in running:
            if isinstance(event, Failed):
                raise problem_of(event)
            if isinstance(event, kind):
                found = event
    if found is None:
        raise mistake()
    return found


@contextmanager
def _cancelled_with(running: Running, request: Request) -> Iterator[None]:
    """A task ends when its client hangs up, or when it is not waited for any more."""

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        running.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        running.cancel()


def as_file(output: Output, model: str | None = None) -> Response:
    """A file, which no browser runs as a page of this server."""
    headers = {
        "Content-Disposition": disposition(output.file_name),
        "Content-Security-Policy": DOCUMENT_POLICY,
        "Cache-Control": "no-store",
    }
    if model is not None:
        headers["X-Trocr-Model"] = quote(model, safe="/ ")
    numbers = [str(page.number) for page in output.failed_pages if page.number is not None]
    if numbers:
        headers["X-Trocr-Failed-Pages"] = ",".join(numbers)
    return Response(output.content, headers=headers, media_type=output.media_type)


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON in UTF-8; what is not valid Unicode becomes ``?``."""
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return Response(json_bytes(value), status, headers, "application/json")


def json_bytes(value: Any) -> bytes:
    """On one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def disposition(name: str) -> str:
    """A Content-Disposition (RFC 6266): the name in ASCII, and as it is (RFC 8187)."""
    plain = _UNQUOTABLE.sub("_", name)
    full = quote(name.encode("utf-8", "replace"), safe="")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"
