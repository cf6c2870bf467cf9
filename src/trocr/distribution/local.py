"""Processes of this machine that read units."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from ..cores import usable_cores
from ..errors import TrOCRError
from .ledger import Ledger, Request
from .process import ENVIRONMENT
from .task import Task
from .worker import Begun, Broken, Fatal, Finished, Message, Progress, Ready, UnitReader, main

_AHEAD = 2  # units that a worker has been sent: it need not wait for the next
_LOST_AT_START = 3  # workers that may die before they have loaded the model
_SECONDS = 1.0  # to wait for news


def devices_of(device: str, workers: int | None) -> list[str]:
    """A device for each worker: GPUs in turn; by default one a GPU, or one a core."""
    import torch

    gpus = torch.cuda.device_count() if device in ("auto", "cuda") else 0
    if gpus:
        return [f"cuda:{at % gpus}" for at in range(workers or gpus)]
    own = "cpu" if device == "auto" else device
    alone = device not in ("auto", "cpu")
    return [own] * (workers or (1 if alone else usable_cores()))


def read_here(ledger: Ledger, task: Task, output: str, device: str) -> None:
    """Read all units in this process: nothing protects it from an entry that ends it.

    Raises:
        TrOCRError: what ends the run.
    """
    while ledger.list_more():
        pass
    reader = None
    while requests := ledger.next((), 1):
        unit = ledger.manifest.unit(requests[0].number)
        reader = reader or UnitReader(task, output, device)
        finished = reader.read(unit, requests[0].one_by_one, lambda message: None)
        ledger.progress(sum(outcome.pages for outcome in finished.outcomes))
        ledger.finish(finished.unit, finished.outcomes)


@dataclass(eq=False)
class _Worker:
    device: str
    process: SpawnProcess
    pipe: Connection[Any, Any]
    requests: deque[Request] = field(default_factory=deque)
    entry: int | None = None  # that it reads alone
    ready: bool = False


class Workers:
    """Processes, one a device, each with a thread.

    Args:
        ledger: says what to read.
        task, output, state: what they do, where results go, and where the manifest is.
        devices: one for each.
    """

    def __init__(
        self, ledger: Ledger, task: Task, output: str, state: Path, devices: list[str]
    ) -> None:
        self._ledger = ledger
        self._arguments = (task, output, str(state))
        self._count = len(devices)
        self._free = devices[::-1]
        self._workers: list[_Worker] = []
        self._lost_at_start = 0

    def read(self) -> None:
        """Read all units.

        Raises:
            TrOCRError: what ends the run.
            KeyboardInterrupt: it is interrupted; units that are being read are dropped.
        """
        try:
            while True:
                listing = self._ledger.list_more()
                self._feed()
                if not self._active and not listing:
                    return
                self._listen(0.0 if listing else _SECONDS)
        finally:
            self._end()

    @property
    def _active(self) -> set[int]:
        return {request.number for worker in self._workers for request in worker.requests}

    def _feed(self) -> None:
        free = _AHEAD * self._count - len(self._active)
        for request in self._ledger.next(self._active, free) if free else []:
            if self._free:
                self._workers.append(self._started(self._free.pop()))
            worker = min(self._workers, key=lambda worker: len(worker.requests))
            worker.requests.append(request)
            self._send(worker, request)

    def _started(self, device: str) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        arguments = (theirs, *self._arguments, device)
        process = context.Process(target=main, args=arguments, daemon=True)
        with _environment_of_workers():
            process.start()
        theirs.close()
        return _Worker(device, process, ours)

    def _send(self, worker: _Worker, request: Request | None) -> None:
        with suppress(OSError):  # it is dead, which `_listen` will hear
            worker.pipe.send(request)

    def _listen(self, seconds: float) -> None:
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in wait(list(pipes), seconds):
            worker = pipes[pipe]  # type: ignore[index]
            try:
                message = worker.pipe.recv()
            except (EOFError, OSError):
                self._replace(worker)
            else:
                self._hear(worker, message)

    def _hear(self, worker: _Worker, message: Message) -> None:
        match message:
            case Ready():
                worker.ready, self._lost_at_start = True, 0
            case Begun(number):
                worker.entry = number
            case Progress(pages):
                self._ledger.progress(pages)
            case Finished(unit, outcomes):
                self._ledger.finish(unit, outcomes)
                worker.requests.popleft()
                worker.entry = None
            case Broken(_, reason):
                request = worker.requests.popleft()
                worker.entry = None
                if request.one_by_one:
                    raise TrOCRError(f"A unit cannot be read: {reason}.")
                self._ledger.died(request, None)
            case Fatal(kind, text, hint):
                raise kind(text, hint)

    def _replace(self, worker: _Worker) -> None:
        """A worker is dead: note over what, and start another one."""
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        self._free.append(worker.device)
        if worker.ready and worker.requests:
            self._ledger.died(worker.requests[0], worker.entry)
        elif not worker.ready:
            self._lost_at_start += 1
            if self._lost_at_start >= _LOST_AT_START:
                raise TrOCRError(
                    f"{_LOST_AT_START} workers died while they loaded the model (exit status"
                    f" {worker.process.exitcode}).",
                    "Is there enough memory? Try fewer --workers.",
                )

    def _end(self) -> None:
        """Idle workers end by themselves; others are dropped with what they are reading."""
        for worker in self._workers:
            if worker.requests or not worker.ready:
                worker.process.kill()
            else:
                self._send(worker, None)
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """Processes that are started meanwhile have it."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
