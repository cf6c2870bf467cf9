"""The place of one worker: its tasks, and another process whenever one has died."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from ..logs import Value, log
from ..messages import Done, Failed, Task
from ..settings import ServeSettings
from .process import WorkerProcess
from .running import Running
from .stats import Stats
from .wire import Alive, Cancel, FromWorker, Order, Told, Warm

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0  # seconds before a dead worker is started again
STEADY = 60.0  # seconds of life after which a death is the first again
SILENT = 60.0  # seconds without a sign of life after which a worker is taken for dead
CHECK = 5.0  # seconds between two looks at that
_QUIT_SECONDS = 5.0
_LOST = Failed("WorkerLost", "The process that read it has died.", "Try again.")
_STOPPED = Failed("WorkerLost", "The server was stopped.", "Try again later, or elsewhere.")


@dataclass(eq=False)
class Accepted:
    """A task that a worker has; ``let_go`` is called when it has it no more."""

    running: Running
    timer: asyncio.TimerHandle
    let_go: Callable[[], None]


class Slot:
    """Keeps one worker.

    Args:
        index: which of the workers.
        stats: to be added to.
        changed: is called when `ready`, `failure` or the tasks have changed.

    Attributes:
        ready: the worker is warm.
        failure: why the first one could not start.
        tasks: that it has, by number.
    """

    def __init__(
        self, settings: ServeSettings, index: int, stats: Stats, changed: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._index = index
        self._stats = stats
        self._changed = changed
        self._process: WorkerProcess | None = None
        self._was_ready = False
        self.ready = False
        self.failure: Failed | None = None
        self.tasks: dict[int, Accepted] = {}

    @property
    def unfinished(self) -> bool:
        """Whether someone still waits for one of its tasks."""
        return any(not accepted.running.ended for accepted in self.tasks.values())

    def give(self, number: int, task: Task, accepted: Accepted) -> None:
        """Have a task carried out; only while it is ready."""
        assert self._process is not None
        self.tasks[number] = accepted
        self._process.send(Order(number, task))

    def drop(self, number: int) -> None:
        """Nobody waits for a task any more."""
        if number in self.tasks and self._process:
            self._process.send(Cancel(number))
        self._changed()

    async def tend(self) -> None:
        """Have a worker here, for ever."""
        delay = FIRST_DELAY
        while True:
            began = time.monotonic()
            await self._run()
            if time.monotonic() - began > STEADY:
                delay = FIRST_DELAY
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)
            self._stats.restarts += 1

    async def end(self) -> None:
        """End the worker; nobody tends it any more."""
        if self._process:
            await self._process.quit(_QUIT_SECONDS)
        self._lose_all(_STOPPED)

    async def _run(self) -> None:
        """One worker, from its start to its death."""
        process = self._process = WorkerProcess(self._settings, self._index, self._hear)
        try:
            await process.start()
        except OSError:
            log("worker-not-started", {"worker": self._index}, level=logging.ERROR, error=True)
        else:
            await self._watch(process)
        if not self._was_ready and not self.failure:
            self.failure = _not_started(process.exit_code)
        self._lose_all(_LOST)

    async def _watch(self, process: WorkerProcess) -> None:
        """Until it is dead."""
        while not await process.died_within(CHECK):
            if self.ready and time.monotonic() - process.heard > SILENT:
                log("worker-silent", {"worker": self._index}, level=logging.ERROR)
                process.kill()
        fields = {"worker": self._index, "exit_code": process.exit_code, "tasks": len(self.tasks)}
        log("worker-lost", fields, level=logging.ERROR)

    def _hear(self, message: FromWorker) -> None:
        if isinstance(message, Told):
            self._tell(message)
        elif isinstance(message, Alive):
            self._stats.add(message.counts)
        elif isinstance(message, Warm):
            self.ready = self._was_ready = True
            self._changed()
        elif not self._was_ready:
            self.failure = message.why
            self._changed()
        else:
            why: dict[str, Value] = {"worker": self._index, "reason": message.why.kind}
            log("worker-not-started", why, level=logging.ERROR)

    def _tell(self, message: Told) -> None:
        accepted = self.tasks.get(message.number)
        if accepted is None:
            return
        accepted.running.put(message.event)
        if isinstance(message.event, (Done, Failed)):
            self._let_go(message.number)

    def _lose_all(self, why: Failed) -> None:
        self.ready = False
        for number, accepted in list(self.tasks.items()):
            accepted.running.put(why)
            self._let_go(number)
        self._changed()

    def _let_go(self, number: int) -> None:
        accepted = self.tasks.pop(number)
        accepted.timer.cancel()
        accepted.let_go()
        self._changed()


def _not_started(exit_code: int | None) -> Failed:
    return Failed(
        "CheckpointError",
        f"A worker ended while it started, with exit code {exit_code}.",
        "There may be too little memory: choose fewer models (--model) or workers (--workers).",
    )
