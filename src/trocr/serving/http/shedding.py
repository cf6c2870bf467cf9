"""Refusing at the socket: an overloaded server has no time for what it will not take."""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus

from ..logs import log
from ..messages import Busy, Stopping
from ..metrics import Metrics
from .admission import Admission
from .headers import SECURITY
from .problems import Problem, problem_of

_END_OF_HEAD = b"\r\n\r\n"
_WORK = re.compile(rb"POST (/v1/(?:read|lines|jobs))(?:\?[!-~]*)? HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,15})(?=\r\n)", re.IGNORECASE)
# The answer would depend on these.
_SPECIAL = re.compile(
    rb"\r\n(?:transfer-encoding|origin|x-request-id|connection(?!: *keep-alive\r\n))[ \t:]",
    re.IGNORECASE,
)
_LOG_SECONDS = 1.0


class Shedding:
    """Answers whole requests that there is no room for, without parsing more than it must.

    Args:
        admission: that knows whether there is room.
        metrics: where they are counted.
    """

    def __init__(self, admission: Admission, metrics: Metrics) -> None:
        self._admission, self._metrics = admission, metrics
        self._not_logged = 0

    def answer(self, data: bytes) -> bytes | None:
        """The whole answer to a request that is refused; None if it must go the usual way.

        Args:
            data: all that came of the request so far.
        """
        head, _, body = data.partition(_END_OF_HEAD)
        head += b"\r\n"
        work, lengths = _WORK.match(head), _LENGTH.findall(head)
        if not work or _SPECIAL.search(head) or [len(body)] != [int(each) for each in lengths]:
            return None
        try:
            self._admission.expect(len(body))
        except Busy as busy:
            self._note(work[1].decode())
            return _without_app(problem_of(busy))
        except (Stopping, Problem):
            return None
        return None

    def _note(self, route: str) -> None:
        self._metrics.answered(route, "POST", 429, 0.0)
        self._metrics.refused("busy")
        if not self._not_logged:
            asyncio.get_running_loop().call_later(_LOG_SECONDS, self._log)
        self._not_logged += 1

    def _log(self) -> None:
        log("refused", {"requests": self._not_logged})
        self._not_logged = 0


def _without_app(problem: Problem) -> bytes:
    response = problem.response()
    fields = [*response.headers.items(), *SECURITY.items()]
    status = f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"
    head = [status, *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join(head).encode("latin-1") + _END_OF_HEAD + bytes(response.body)
