"""The main process's side of one worker process."""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import signal
import socket
import time
from collections.abc import Callable

from ..settings import ServeSettings
from .channel import Link
from .wire import FromWorker, Quit, ToWorker
from .worker import main

_SIGNALS = {signal.SIGINT, signal.SIGTERM}


class WorkerProcess:
    """A worker, from its start to its death.

    Args:
        settings: as of the pool.
        device: as for ``trocr.load``.
        threads: that one pass of a model may use.
        hear: is told in the event loop what the worker says.

    Attributes:
        exit_code: of the process that has ended; negative: the signal that killed it.
        heard: when it said something last, by ``time.monotonic``.
    """

    def __init__(
        self,
        settings: ServeSettings,
        device: str,
        threads: int,
        hear: Callable[[FromWorker], None],
    ) -> None:
        self._arguments = settings, device, threads
        self._hear = hear
        self._link = Link(self._listen, self._lost)
        self._process: multiprocessing.process.BaseProcess | None = None
        self._starting: asyncio.Task[None] | None = None
        self._burying: asyncio.Task[None] | None = None
        self._dead = asyncio.Event()
        self.exit_code: int | None = None
        self.heard = time.monotonic()

    async def start(self) -> None:
        """Returns when the process runs, long before it is warm.

        Raises:
            OSError: there can be none.
        """
        self._starting = asyncio.create_task(self._start())
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
        self._link.send(message)

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

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                await loop.run_in_executor(None, self._launch, theirs)
            await loop.create_connection(lambda: self._link, sock=ours)
        except BaseException:
            ours.close()
            raise

    def _launch(self, theirs: socket.socket) -> None:
        process = multiprocessing.get_context("spawn").Process(
            target=main, args=(theirs, *self._arguments), name="trocr worker", daemon=True
        )
        with _Blocked():
            process.start()
        self._process = process
        atexit.register(process.kill)  # else the interpreter waits for it when nobody stopped it

    def _listen(self, message: FromWorker) -> None:
        self.heard = time.monotonic()
        self._hear(message)

    def _lost(self) -> None:
        self._burying = asyncio.create_task(self._bury())

    async def _bury(self) -> None:
        assert self._process is not None
        self._process.kill()
        await asyncio.get_running_loop().run_in_executor(None, self._process.join)
        atexit.unregister(self._process.kill)
        self.exit_code = self._process.exitcode
        self._dead.set()


class _Blocked:
    """Around the start of a process, which inherits that signals to stop do not reach it."""

    def __enter__(self) -> None:
        if hasattr(signal, "pthread_sigmask"):
            self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def __exit__(self, *error: object) -> None:
        if hasattr(signal, "pthread_sigmask"):
            signal.pthread_sigmask(signal.SIG_SETMASK, self._before)
