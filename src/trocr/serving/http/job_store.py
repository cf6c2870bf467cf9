"""Jobs: documents that are read while nobody has to wait, and kept for a while."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..logs import log
from ..messages import Busy, Done, Event, Failed, PageFailed, PageRead
from ..settings import ServeSettings
from .answers import json_bytes
from .event_log import EventLog
from .job_events import described
from .jobs_folder import JobsFolder, remove_leftovers
from .pool_interface import Running

_PATIENCE = 5.0  # seconds, for a task to end that was cancelled
QUEUED, READING, DONE, FAILED, CANCELLED = "queued", "reading", "done", "failed", "cancelled"


class Job:
    """A document that is read.

    Args:
        id: cannot be guessed.
        name: of the upload, for people.
        model: that reads.
        owner: the number of the key that it was made with; no other may see it.
        root: folder of the job.

    Attributes:
        folder: what the worker keeps for exports.
        status: one of the constants above.
        pages_done: numbers of pages that were read.
        pages_failed: what could not be.
        error: why it failed.
        used: when anybody last asked for it; of ``time.monotonic``.
    """

    def __init__(self, id: str, name: str, model: str, owner: int | None, root: Path) -> None:
        self.id, self.name, self.model, self.owner, self.root = id, name, model, owner, root
        self.folder = root / "document"
        self.folder.mkdir(parents=True)
        self.events = EventLog(root / "events")
        self.status = QUEUED
        self.pages_done = 0
        self.pages_failed: list[PageFailed] = []
        self.error: Failed | None = None
        self.created = datetime.now(timezone.utc)
        self.used = time.monotonic()
        self.reading: asyncio.Task[None] | None = None
        self._running: Running | None = None

    @property
    def ended(self) -> bool:
        """It is neither queued nor being read."""
        return self.status not in (QUEUED, READING)

    @property
    def corrections_file(self) -> Path:
        """What was corrected, as JSON; not there as long as nothing was."""
        return self.root / "corrections"

    def begin(self, running: Running) -> None:
        """Follow a task from now on."""
        self._running = running
        self.reading = asyncio.create_task(self._follow(running))

    async def cancel(self) -> None:
        """Stop reading; returns when that is over."""
        if self._running:
            self._running.cancel()
        if self.reading:
            await asyncio.wait([self.reading], timeout=_PATIENCE)

    async def _follow(self, running: Running) -> None:
        try:
            async for event in running:
                self._take(event)
        except Exception:
            log("mistake", level=logging.ERROR, error=True)
            self._end_as_failed(Failed("Internal", "The server made a mistake."))
        finally:
            if not self.ended:  # whoever waits must not wait for ever
                self._end_as_failed(Failed("Cancelled", "The job was ended."))
            self.events.close()
            self._running = None
            self.used = time.monotonic()

    def _take(self, event: Event) -> None:
        if self.status == QUEUED:
            self.status = READING
        if isinstance(event, PageRead):
            self.pages_done += 1
        elif isinstance(event, PageFailed):
            self.pages_failed.append(event)
        if described_event := described(event):
            name, data = described_event
            self.events.append(name, json_bytes(data))
        elif isinstance(event, Failed):
            self._end_as_failed(event)
        elif isinstance(event, Done):
            self.status = DONE
            counts = {"pages": self.pages_done, "failed": len(self.pages_failed)}
            self.events.append(DONE, json_bytes(counts))

    def _end_as_failed(self, error: Failed) -> None:
        if error.kind == "Cancelled":
            self.status = CANCELLED
            self.events.append(CANCELLED, b"{}")
            return
        self.status, self.error = FAILED, error
        self.events.append(FAILED, json_bytes({"detail": error.message, "hint": error.hint}))


class JobStore:
    """All jobs of a server, in a private folder that is removed in the end.

    Args:
        settings: how many jobs are kept, and how long.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._folder = JobsFolder()
        self._jobs: dict[str, Job] = {}

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def get(self, id: str, owner: int | None) -> Job | None:
        """The job of that name, if it is this one's; it counts as used now."""
        job = self._jobs.get(id)
        if job is None or job.owner != owner:
            return None
        job.used = time.monotonic()
        return job

    def counts(self) -> Mapping[str, int]:
        """How many jobs there are, by status."""
        return Counter(job.status for job in self._jobs.values())

    def expires(self, job: Job) -> datetime | None:
        """When it is forgotten if nobody asks for it any more; None while it is read."""
        if not job.ended:
            return None
        left = job.used + self._settings.job_keep_seconds - time.monotonic()
        return datetime.fromtimestamp(time.time() + left, timezone.utc)

    async def make_room(self) -> None:
        """Forget the job that nobody has used for the longest time, if there are too many.

        Raises:
            Busy: all are being read, or hold corrections.
        """
        if len(self._jobs) < self._settings.max_jobs:
            return
        done = [job for job in self if job.ended]
        free = [job for job in done if not job.corrections_file.exists()]
        if not free:
            kept = self._settings.job_keep_seconds
            oldest = min((job.used for job in done), default=time.monotonic())
            raise Busy(max(1.0, oldest + kept - time.monotonic()) if done else 10.0)
        await self.forget(min(free, key=lambda job: job.used))

    def add(self, name: str, model: str, owner: int | None) -> Job:
        """A new job, of which nothing is read yet."""
        id = secrets.token_urlsafe(18)
        job = self._jobs[id] = Job(id, name, model, owner, self._folder.path / id)
        return job

    async def forget(self, job: Job) -> None:
        """Stop reading it, and remove all that it kept."""
        self._jobs.pop(job.id, None)
        await job.cancel()
        await asyncio.to_thread(shutil.rmtree, job.root, ignore_errors=True)

    async def forget_old_ones(self) -> None:
        """For ever: forget jobs whose time is over; first what dead servers left of theirs."""
        await asyncio.to_thread(remove_leftovers)
        while True:
            await asyncio.sleep(min(10.0, self._settings.job_keep_seconds / 4))
            oldest = time.monotonic() - self._settings.job_keep_seconds
            for job in self:
                if job.ended and job.used <= oldest:
                    with contextlib.suppress(OSError):
                        await self.forget(job)

    async def close(self) -> None:
        """End what is still read, and remove everything."""
        for job in self:
            await job.cancel()
        self._jobs.clear()
        await asyncio.to_thread(self._folder.remove)


def status_of(job: Job, expires: datetime | None) -> dict[str, Any]:
    """What a client is told about a job."""
    status: dict[str, Any] = {
        "id": job.id,
        "name": job.name,
        "model": job.model,
        "status": job.status,
        "url": f"/v1/jobs/{job.id}",
        "pages_done": job.pages_done,
        "pages_failed": [
            {"number": page.number, "detail": page.message, "hint": page.hint}
            for page in job.pages_failed
        ],
        "created": job.created.isoformat(timespec="seconds"),
    }
    if expires:
        status["expires"] = expires.isoformat(timespec="seconds")
    if job.error:
        status["error"] = {"detail": job.error.message, "hint": job.error.hint}
    return status
