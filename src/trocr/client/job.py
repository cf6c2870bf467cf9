"""A document that a server reads while its client does something else."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..document import Document
from ..errors import ImageError, ServerError, UsageError
from ..readers import read_document
from .sources import password_header
from .transport import Transport

_ENDS = ("done", "failed", "cancelled")
_FIRST_LOOK, _LONGEST_LOOK = 0.05, 2.0  # seconds between two looks at a job


@dataclass(frozen=True)
class JobStatus:
    """How far a job is.

    Attributes:
        status: ``"queued"``, ``"reading"``, ``"done"``, ``"failed"`` or ``"cancelled"``.
        model: that reads it.
        pages_done: how many pages were read.
        pages_failed: those that cannot be: ``number``, ``detail``, ``hint``.
        error: of a job that failed: ``detail``, ``hint``.
    """

    status: str
    model: str
    pages_done: int
    pages_failed: tuple[Mapping[str, Any], ...] = ()
    error: Mapping[str, str] | None = None

    @property
    def ended(self) -> bool:
        """Nothing more will happen."""
        return self.status in _ENDS


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job; `docs/serving.md` has the kinds and their data."""

    kind: str
    data: Mapping[str, Any]
    id: str


class Job:
    """A job of a server; `Client.submit` and `Client.job` make it.

    Attributes:
        id: to ask for it later, or elsewhere.
    """

    def __init__(self, transport: Transport, job_id: str) -> None:
        self.id = job_id
        self._transport = transport
        self._path = f"/v1/jobs/{job_id}"

    def status(self) -> JobStatus:
        """How far it is now."""
        found = self._transport.send("GET", self._path).json()
        return JobStatus(
            status=found["status"],
            model=found["model"],
            pages_done=found["pages_done"],
            pages_failed=tuple(found["pages_failed"]),
            error=found.get("error"),
        )

    def events(self, after: str = "") -> Iterator[JobEvent]:
        """All that has happened and happens, to the end of the job; through lost connections too.

        Args:
            after: the id of the last event that is known already.

        Raises:
            ServerError: the connection was lost, and could not be made again.
        """
        attempt = 0
        while True:
            try:
                with self._transport.events(f"{self._path}/events", after) as events:
                    for event in events:
                        if not event.data:
                            continue
                        attempt, after = 0, event.id
                        yield JobEvent(event.event, json.loads(event.data), event.id)
                        if event.event in _ENDS:
                            return
                lost = ServerError(f"The events of job {self.id} broke off.", "Ask again.")
            except ServerError as error:
                lost = error
            if attempt >= self._transport.retries:
                raise lost
            self._transport.pause(attempt)
            attempt += 1

    def wait(self, timeout: float | None = None) -> JobStatus:
        """Until it is done.

        Args:
            timeout: seconds at most; None: as long as it takes.

        Raises:
            ImageError: nothing could be read.
            UsageError: it was cancelled.
            ServerError: it is not done in time.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause = _FIRST_LOOK
        while not (found := self.status()).ended:
            if deadline is not None and time.monotonic() + pause > deadline:
                raise ServerError(f"Job {self.id} is {found.status}.", "Wait longer.")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)
        if found.status == "failed":
            error = found.error or {}
            raise ImageError(error.get("detail", "The job failed."), error.get("hint", ""))
        if found.status == "cancelled":
            raise UsageError(f"Job {self.id} was cancelled.", "Submit the document again.")
        return found

    def document(self) -> Document:
        """What was read, corrections included, once it is done."""
        return read_document(self.export("json"))

    def export(self, format: str, password: str | None = None) -> bytes:
        """The same as a file.

        Args:
            format: a name in ``trocr.writers.FORMATS``.
            password: of a PDF that was encrypted, where the file is made from it.
        """
        path, query = f"{self._path}/document", {"format": format}
        headers = {} if password is None else password_header(password)
        return self._transport.send("GET", path, params=query, headers=headers).content

    def cancel(self) -> None:
        """End it, and let the server forget it."""
        self._transport.send("DELETE", self._path)
