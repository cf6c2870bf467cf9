"""What is around every request: an id, a line in the log, and metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..logs import begin_request, log
from ..metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

ID_HEADER = b"x-request-id"
OTHER = "other"  # route of what is no route of ours
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_REFUSED = {
    401: "key",
    403: "urls",
    408: "slow",
    413: "too-large",
    415: "media-type",
    429: "busy",
    503: "unavailable",
}
_WORK = "/v1/"
_GONE = 499  # as nginx: the client went before it was answered


class Observing:
    """ASGI middleware; the outermost one, so that it sees what others answer."""

    def __init__(self, app: App, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(ID_HEADER)
        facts = begin_request(given.decode("latin-1") if given else None)
        size, status, began = 0, _GONE, time.perf_counter()

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                request_id = str(facts["request_id"]).encode()
                message["headers"] = [*message.get("headers", ()), (ID_HEADER, request_id)]
            await send(message)

        try:
            with self._metrics.in_flight():
                await self._app(scope, counted, noted)
        except Exception:
            status = 500
            raise
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", OTHER)
            method = scope["method"] if scope["method"] in _METHODS else OTHER
            self._metrics.answered(route, method, status, seconds)
            if status in _REFUSED and route.startswith(_WORK):
                self._metrics.refused(_REFUSED[status])
            facts |= {"method": method, "route": route, "status": status, "bytes": size}
            facts["seconds"] = round(seconds, 4)
            log("request", facts, level=logging.ERROR if status == 500 else logging.INFO)
