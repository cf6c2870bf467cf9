"""Worker processes: which tasks are accepted, and who gets them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from functools import partial

from ... import errors
from ...cores import usable_cores
from ...errors import CheckpointError, TrOCRError
from ..logs import log
from ..messages import Busy, Failed, Stopping, Task
from ..settings import ServeSettings
from .accepted import Accepted
from .count import usual_workers
from .running import Running
from .seats import Seats, size_of
from .slot import Slot
from .stats import Stats

__all__ = ["Busy", "Running", "Stopping", "WorkerPool"]


class WorkerPool:
    """Reads in worker processes. Of use within one event loop.

    Attributes:
        draining: nothing more is accepted.
        stats: what was read.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._seats = Seats(settings)
        self._changed = asyncio.Event()
        self._numbers = itertools.count(1)
        self._tending: list[asyncio.Task[None]] = []
        self.draining = False
        self.stats = Stats()
        self._slots: list[Slot] = []

    async def __aenter__(self) -> WorkerPool:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    @property
    def alive(self) -> int:
        """Workers that are warm."""
        return sum(slot.ready for slot in self._slots)

    @property
    def ready(self) -> bool:
        """Whether tasks are accepted."""
        return self.alive > 0 and not self.draining

    @property
    def waiting(self) -> int:
        """Tasks that have not ended."""
        return self._seats.taken

    @property
    def waiting_bytes(self) -> int:
        """Of their bodies."""
        return self._seats.bytes

    async def start(self) -> None:
        """Returns when all workers are warm.

        Raises:
            TrOCRError: one cannot start.
        """
        chosen, usual = self._settings.workers, usual_workers()
        first = chosen or len(self._settings.devices)
        threads = max(1, usable_cores() // (chosen or max(first, usual)))
        try:
            await self._have(first, threads)
            if chosen is None and all(slot.on_cpu for slot in self._slots):
                await self._have(usual, threads)
        except BaseException:
            await self._end()
            raise

    async def stop(self, seconds: float | None = None) -> None:
        """Accept nothing more, finish what was accepted in the time there is, end the workers.

        Args:
            seconds: how much that is; default as the settings say.
        """
        self.draining = True
        grace = self._settings.grace_seconds if seconds is None else seconds
        try:
            await asyncio.wait_for(self._all_finished(), grace)
        except (TimeoutError, asyncio.TimeoutError):
            log("not-finished", {"tasks": self.waiting}, level=logging.WARNING)
        await self._end()

    def submit(self, task: Task, seconds: float) -> Running:
        """Give a task to the worker with the fewest.

        Args:
            seconds: in which it has to be done.

        Raises:
            Busy: there is too much to do, or no worker is warm just now.
            Stopping: nothing is accepted any more.
        """
        if self.draining:
            raise Stopping
        ready = [slot for slot in self._slots if slot.ready]
        if not ready:
            raise Busy(self._seats.wait())
        size = size_of(task)
        self._seats.take(size)
        slot, number = min(ready, key=len), next(self._numbers)
        running = Running(partial(slot.drop, number))
        late = Failed("Deadline", f"It was not done within {seconds:g} seconds.", _SHORTER)
        timer = asyncio.get_running_loop().call_later(seconds, running.give_up, late)
        slot.give(number, Accepted(task, running, timer, partial(self._seats.leave, size)))
        return running

    async def _have(self, workers: int, threads: int) -> None:
        """So many, all of them warm."""
        for index in range(len(self._slots), workers):
            slot = Slot(self._settings, index, threads, self.stats, self._changed.set)
            self._slots.append(slot)
            self._tending.append(asyncio.create_task(slot.tend()))
        while self.alive < len(self._slots):
            await self._change()
            for slot in self._slots:
                if slot.failure:
                    raise _error(slot.failure)

    async def _all_finished(self) -> None:
        while any(slot.unfinished for slot in self._slots):
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _end(self) -> None:
        for tending in self._tending:
            tending.cancel()
        for tending in self._tending:
            with contextlib.suppress(asyncio.CancelledError):
                await tending
        await asyncio.gather(*(slot.end() for slot in self._slots))


_SHORTER = "Ask for less at a time."


def _error(failed: Failed) -> TrOCRError:
    kind = getattr(errors, failed.kind, CheckpointError)
    error: TrOCRError = kind(failed.message, failed.hint)
    return error
