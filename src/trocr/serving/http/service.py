"""One server's parts, and how they start and stop together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request

from ..logs import log
from ..messages import Export, ReadDocument, ReadLines, Task
from ..metrics import Metrics
from ..settings import ServeSettings
from .admission import Admission
from .job_store import JobStore
from .keys import KeyCheck
from .pool_interface import Pool, Running
from .shedding import Shedding
from .uploads import UploadReader


class Service:
    """What routes work with.

    Args:
        settings: of the server.
        pool: its workers, not started yet.
    """

    def __init__(self, settings: ServeSettings, pool: Pool) -> None:
        self.settings, self.pool = settings, pool
        self.admission = Admission(settings, pool)
        self.check_key = KeyCheck(settings.api_keys)
        self.jobs = JobStore(settings)
        self.metrics = Metrics(pool, self.jobs.counts)
        self.shedding = Shedding(self.admission, self.metrics)
        self.starting: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None

    def submit(self, task: Task, seconds: float) -> Running:
        """As the pool does, and count it."""
        running = self.pool.submit(task, seconds)
        self.metrics.accepted(_kind_of(task))
        return running

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[UploadReader]:
        """The body of a request, if there is room for it.

        Submit what it asks for before this ends: until then it counts as coming in.

        Raises:
            Problem, Busy, Stopping: as `Admission.place`.
        """
        length = request.headers.get("content-length")
        with self.admission.place(int(length) if length else None) as place:
            limits = self.settings.max_body_bytes, self.settings.body_seconds
            yield UploadReader(request, place, *limits)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Around all requests. The pool warms up while the first ones are refused."""
        self.starting = asyncio.create_task(self.pool.start())
        self.starting.add_done_callback(_log_failure)
        sweeping = asyncio.create_task(self.jobs.forget_old_ones())
        try:
            yield
        finally:
            sweeping.cancel()
            await self.stop()
            await self.jobs.close()

    async def stop(self) -> None:
        """Accept nothing more; returns when all that was accepted is done, or time is over."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        await asyncio.wait([self._stopping])

    def abandon(self) -> None:
        """Do not wait for what was accepted, if it stops; from a signal handler, too."""
        if self._stopping:
            self._stopping.get_loop().call_soon_threadsafe(self._stopping.cancel)

    async def _stop(self) -> None:
        end = time.monotonic() + self.settings.grace_seconds
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.admission.close(), self.settings.grace_seconds)
        if self.starting and not self.starting.done():
            self.starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.starting
        await self.pool.stop(max(0.0, end - time.monotonic()))


def _log_failure(starting: asyncio.Task[None]) -> None:
    if not starting.cancelled() and starting.exception():
        log("not-started", level=logging.ERROR)


def _kind_of(task: Task) -> str:
    if isinstance(task, ReadLines):
        return "lines"
    if isinstance(task, Export):
        return "export"
    return "job" if isinstance(task, ReadDocument) and task.folder else "document"


async def _service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(_service_of)]
