"""Processes of this machine that read units."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from glob import glob
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
_GPU_FILES = ("/dev/nvidia*", "/dev/nvmap", "/dev/kfd", "/dev/dxg")  # of the drivers of GPUs


def devices_of(device: str, workers: int | None) -> list[str]:
    """A device for each worker: GPUs in turn; by default one a GPU, or one a core."""
    gpus = _gpus() if device in ("auto", "cuda") else 0
    if gpus:
        return [f"cuda:{at % gpus}" for at in range(workers or gpus)]
    own = "cpu" if device == "auto" else device
    alone = device not in ("auto", "cpu")
    return [own] * (workers or (1 if alone else usable_cores()))


def _gpus() -> int:
    """Without torch, which takes a second to import, where Linux has no driver."""
    if sys.platform == "linux" and not any(map(glob, _GPU_FILES)):
        return 0
    import torch

    return torch.cuda.device_count()


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
        active = self._active
        if len(active) == _AHEAD * self._count:
            return
        requests = self._ledger.next(active, _AHEAD * self._count)
        for at, request in enumerate(requests):
            worker = self._free_worker(left=len(requests) - at)
            if worker is None:
                return
            worker.requests.append(request)
            self._send(worker, request)

    def _free_worker(self, left: int) -> _Worker | None:
        """Who gets the first of the units that are left; the last wait for who is done first."""
        least_busy = min(self._workers, key=lambda worker: len(worker.requests), default=None)
        if least_busy is not None and not least_busy.requests:
            return least_busy
        if least_busy is None or self._free:
            self._workers.append(self._started(self._free.pop()))
            return self._workers[-1]
        is_full = len(least_busy.requests) == _AHEAD
        return least_busy if left > self._count and not is_full else None

    def _started(self, device: str) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        arguments = (theirs, *self._arguments, device)
        process = context.Process(target=main, args=arguments, daemon=True)
        with _environment_of_workers():
            process.start()
        theirs.close()
        return _Worker(device, process, ours)

    def _send(self, worker: _Worker, request: Request) -> None:
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
        """What a worker was reading is dropped; what it has finished is in its place."""
        for worker in self._workers:
            worker.process.kill()
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
