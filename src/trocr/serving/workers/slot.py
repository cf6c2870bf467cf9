"""The place of one worker: its tasks, and another process whenever one has died."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping

from ..logs import Value, log
from ..messages import Done, Failed
from ..settings import ServeSettings
from .accepted import Accepted
from .process import WorkerProcess
from .stats import Stats
from .wire import Alive, Cancel, FromWorker, Order, Told, Warm

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0  # seconds before a dead worker is started again
STEADY = 60.0  # seconds of life after which a death is the first again
SILENT = 60.0  # seconds without a sign of life after which a worker is taken for dead
CHECK = 5.0  # seconds between two looks at that
ALONE = 5.0  # seconds in which a task that may have killed a worker would do it again
_QUIT_SECONDS = 5.0
_LOST = Failed("WorkerLost", "The process that read it has died.", "Try again.")
_STOPPED = Failed("WorkerLost", "The server was stopped.", "Try again later, or elsewhere.")


class Slot:
    """Keeps one worker.

    Any of the tasks that a worker had may be what it died of. The next one is given them one after
    another, beside new tasks: what it dies with again is not tried any more, nor is what was alone
    when a worker died.

    Args:
        index: which of the workers.
        threads: that one pass of a model may use.
        stats: to be added to.
        changed: is called when `ready`, `failure` or the tasks have changed.

    Attributes:
        ready: the worker is warm.
        failure: why the first one could not start.
        on_cpu: it has no other device; known once it was ready.
    """

    def __init__(
        self,
        settings: ServeSettings,
        index: int,
        threads: int,
        stats: Stats,
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._index = index
        self._threads = threads
        self._stats = stats
        self._changed = changed
        self._process: WorkerProcess | None = None
        self._was_ready = False
        self._tasks: dict[int, Accepted] = {}  # that the worker has
        self._suspects: dict[int, Accepted] = {}  # that it is to have again
        self._trying: asyncio.Task[None] | None = None
        self.ready = False
        self.failure: Failed | None = None
        self.on_cpu = False

    def __len__(self) -> int:
        """How many tasks it has."""
        return len(self._tasks) + len(self._suspects)

    @property
    def unfinished(self) -> bool:
        """Whether someone still waits for one of its tasks."""
        every = (*self._tasks.values(), *self._suspects.values())
        return any(not accepted.running.ended for accepted in every)

    def give(self, number: int, accepted: Accepted) -> None:
        """Have a task carried out; only while it is ready."""
        assert self._process is not None
        self._tasks[number] = accepted
        self._process.send(Order(number, accepted.task))

    def drop(self, number: int) -> None:
        """Nobody waits for a task any more."""
        if suspect := self._suspects.pop(number, None):
            suspect.let_go()
        elif number in self._tasks and self._process:
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
        self.ready = False
        self._lose({**self._tasks, **self._suspects}, _STOPPED)

    async def _run(self) -> None:
        """One worker, from its start to its death."""
        device = self._settings.devices[self._index % len(self._settings.devices)]
        process = WorkerProcess(self._settings, device, self._threads, self._hear)
        self._process = process
        try:
            await process.start()
        except OSError:
            log("worker-not-started", {"worker": self._index}, level=logging.ERROR, error=True)
        else:
            await self._watch(process)
        if not self._was_ready and not self.failure:
            self.failure = _not_started(process.exit_code)
        was_warm, self.ready = self.ready, False
        self._suspect()
        if not was_warm:
            self._lose(self._suspects, _LOST)
        self._changed()

    async def _watch(self, process: WorkerProcess) -> None:
        """Until it is dead."""
        while not await process.died_within(CHECK):
            if self.ready and time.monotonic() - process.heard > SILENT:
                log("worker-silent", {"worker": self._index}, level=logging.ERROR)
                process.kill()
        fields = {"worker": self._index, "exit_code": process.exit_code, "tasks": len(self._tasks)}
        log("worker-lost", fields, level=logging.ERROR)

    def _hear(self, message: FromWorker) -> None:
        if isinstance(message, Told):
            self._tell(message)
        elif isinstance(message, Alive):
            self._stats.add(message.counts)
        elif isinstance(message, Warm):
            self.ready = self._was_ready = True
            self.on_cpu = message.device == "cpu"
            self._trying = asyncio.create_task(self._try_again())
            self._changed()
        elif not self._was_ready:
            self.failure = message.why
            self._changed()
        else:
            why: dict[str, Value] = {"worker": self._index, "reason": message.why.kind}
            log("worker-not-started", why, level=logging.ERROR)

    def _tell(self, message: Told) -> None:
        accepted = self._tasks.get(message.number)
        if accepted is None:
            return
        for event in message.events:
            accepted.tell(event)
        if isinstance(message.events[-1], (Done, Failed)):
            self._let_go(message.number)

    def _suspect(self) -> None:
        """The worker has died: its tasks wait for another try, or are lost."""
        alone = len(self._tasks) == 1
        for number, accepted in list(self._tasks.items()):
            if not (alone or accepted.tried or accepted.running.ended):
                accepted.tried = True
                self._suspects[number] = self._tasks.pop(number)
        self._lose(self._tasks, _LOST)

    async def _try_again(self) -> None:
        while self.ready and self._suspects:
            number, accepted = next(iter(self._suspects.items()))
            del self._suspects[number]
            self.give(number, accepted)
            with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(accepted.over.wait(), ALONE)

    def _lose(self, tasks: Mapping[int, Accepted], why: Failed) -> None:
        for number, accepted in list(tasks.items()):
            accepted.running.put(why)
            self._let_go(number)

    def _let_go(self, number: int) -> None:
        accepted = self._tasks.pop(number, None) or self._suspects.pop(number)
        accepted.let_go()
        self._changed()


def _not_started(exit_code: int | None) -> Failed:
    return Failed(
        "CheckpointError",
        f"A worker ended while it started, with exit code {exit_code}.",
        "There may be too little memory: choose fewer models (--model) or workers (--workers).",
    )
