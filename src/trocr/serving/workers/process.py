"""The main process's side of one worker process."""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

from ...cores import usable_cores
from ..settings import ServeSettings
from .wire import FromWorker, Quit, ToWorker
from .worker import main

_SIGNALS = {signal.SIGINT, signal.SIGTERM}


class WorkerProcess:
    """A worker, from its start to its death.

    Args:
        settings: as of the pool.
        index: which of the workers.
        hear: is told in the event loop what the worker says.

    Attributes:
        exit_code: of the process that has ended; negative: the signal that killed it.
        heard: when it said something last, by ``time.monotonic``.
    """

    def __init__(
        self, settings: ServeSettings, index: int, hear: Callable[[FromWorker], None]
    ) -> None:
        self._settings = settings
        self._device = settings.devices[index % len(settings.devices)]
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._outbox: queue.SimpleQueue[ToWorker | None] = queue.SimpleQueue()
        self._process: multiprocessing.process.BaseProcess | None = None
        self._starting: asyncio.Future[None] | None = None
        self._dead = asyncio.Event()
        self.exit_code: int | None = None
        self.heard = time.monotonic()

    async def start(self) -> None:
        """Returns when the process runs, long before it is warm."""
        self._starting = self._loop.run_in_executor(None, self._start)
        await asyncio.shield(self._starting)

    async def died_within(self, seconds: float) -> bool:
        """Whether it has ended, and all that it said was heard; waits so long for that."""
        try:
            await asyncio.wait_for(self._dead.wait(), seconds)
        except (TimeoutError, asyncio.TimeoutError):
            return False
        return True

    def send(self, message: ToWorker) -> None:
        """Tell the worker, some time; what a dead one is told is lost."""
        self._outbox.put(message)

    def kill(self) -> None:
        """End it whatever it does."""
        if self._process:
            self._process.kill()

    async def quit(self, seconds: float) -> None:
        """End it; one that does not within some seconds is killed."""
        if self._starting is None:
            return
        try:
            await self._starting
        except OSError:  # there is none
            return
        self.send(Quit())
        if not await self.died_within(seconds):
            self.kill()
            await self._dead.wait()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        threads = max(1, usable_cores() // self._settings.workers)
        process = context.Process(
            target=main,
            args=(theirs, self._settings, self._device, threads),
            name="trocr worker",
            daemon=True,
        )
        with _Blocked():
            process.start()
        theirs.close()
        self._process = process
        atexit.register(process.kill)  # else the interpreter waits for it when nobody stopped it
        threading.Thread(target=self._listen, args=(ours,), daemon=True).start()
        threading.Thread(target=self._speak, args=(ours,), daemon=True).start()

    def _listen(self, connection: Connection) -> None:
        """Hand on what comes, until the process is dead."""
        try:
            while True:
                message = connection.recv()
                self.heard = time.monotonic()
                self._in_loop(self._hear, message)
        except Exception:  # the end of the pipe, or half a message
            pass
        assert self._process is not None
        self._process.kill()
        self._process.join()
        atexit.unregister(self._process.kill)
        self._outbox.put(None)
        connection.close()
        self._in_loop(self._died, self._process.exitcode)

    def _speak(self, connection: Connection) -> None:
        while (message := self._outbox.get()) is not None:
            try:
                connection.send(message)
            except OSError:
                return
            del message  # the upload in it is the worker's now

    def _in_loop(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: nobody listens
            self.kill()

    def _died(self, exit_code: int | None) -> None:
        self.exit_code = exit_code
        self._dead.set()


class _Blocked:
    """Around the start of a process, which inherits that signals to stop do not reach it."""

    def __enter__(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def __exit__(self, *error: object) -> None:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
