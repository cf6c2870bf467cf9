"""What the HTTP side needs of a pool of workers; ``pool.WorkerPool`` is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from ..messages import Event, Task
from ..metrics import Pool as Observed


class Running(Protocol):
    """A task that was accepted: its events, of which the last is a `Done` or a `Failed`."""

    def __aiter__(self) -> AsyncIterator[Event]: ...

    def cancel(self) -> None:
        """Drop what is not done yet; nothing once it has ended."""


class Pool(Observed, Protocol):
    """Workers that read."""

    @property
    def draining(self) -> bool: ...

    async def start(self) -> None:
        """Returns when all workers are warm.

        Raises:
            TrOCRError: a model cannot be loaded.
        """

    async def stop(self, seconds: float | None = None) -> None:
        """Accept nothing more, finish what was accepted in so many seconds, end the workers."""

    def submit(self, task: Task, seconds: float) -> Running:
        """
        Raises:
            Busy, Stopping: the task is not accepted.
        """
