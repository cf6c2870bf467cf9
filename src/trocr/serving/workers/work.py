"""One task in a worker: its steps, and its end."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

from ...errors import TrOCRError
from ...line_result import LineResult
from ..logs import log
from ..messages import Done, Event, Failed
from ..settings import ServeSettings
from .batching import LineQueue
from .stats import Tally
from .watch import Watch

AHEAD_PIXELS = 40_000_000  # of the pages and lines of one task that wait to be read


class Room(Protocol):
    """What tasks share."""

    settings: ServeSettings
    lines: LineQueue
    watch: Watch
    tally: Tally

    def later(self, work: Work, stage: str, step: Callable[[], None]) -> None:
        """Do a step of a task in some other thread."""

    def emit(self, work: Work, *events: Event) -> None:
        """Tell the main process."""

    def ended(self, work: Work) -> None:
        """Forget a task."""

    def changed(self) -> None:
        """A task may have room to go on now."""


class Work:
    """A task on its way.

    Args:
        number: what the main process calls it.

    Attributes:
        over: it has ended, or is to.
        complete: set by the step after which nothing is left to do.
        seconds: that its steps took, by stage.
    """

    def __init__(self, number: int, room: Room) -> None:
        self.number = number
        self.room = room
        self.over = False
        self.complete = False
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()
        self._steps = 0
        self._cancelled = False
        self._ended = False

    def do(self, stage: str, step: Callable[[], None]) -> None:
        """A step: an error ends the task, and nothing else."""
        with self._lock:
            if self.over:
                return
            self._steps += 1
        began = perf_counter()
        try:
            with self.room.watch.step(stage, lambda: self.over):
                step()
        except Exception as error:
            self._mistaken(stage, error)
        finally:
            spent = perf_counter() - began
            self.room.tally.spent(stage, spent)
            with self._lock:
                self._steps -= 1
                self.seconds[stage] += spent
            if self.complete:
                self.end(Done(dict(self.seconds)))
            self._end_if_cancelled()

    def taking(
        self, take: Callable[[LineResult | Exception], None]
    ) -> Callable[[LineResult | Exception], None]:
        """What takes the result of a line: an error in it ends the task, and nothing else."""

        def guarded(outcome: LineResult | Exception) -> None:
            if self.over:
                return
            try:
                take(outcome)
            except Exception as error:
                self._mistaken("taking", error)

        return guarded

    def _mistaken(self, stage: str, error: Exception) -> None:
        if not isinstance(error, TrOCRError):
            log("task-failed", {"reason": stage}, level=logging.ERROR, error=True)
        self.end(failed(error))

    def end(self, *events: Event) -> None:
        """Once; the last is a `Done` or a `Failed`, and nothing comes after it."""
        with self._lock:
            if self._ended:
                return
            self._ended = self.over = True
        self.room.ended(self)
        self.room.emit(self, *events)

    def emit(self, event: Event) -> None:
        """Tell how it goes on, unless it is over."""
        if not self.over:
            self.room.emit(self, event)

    def cancel(self) -> None:
        """Drop what is not done; it ends when the steps that are being done are over."""
        with self._lock:
            self._cancelled = self.over = True
        self.room.lines.drop(self.number)
        self._end_if_cancelled()

    def _end_if_cancelled(self) -> None:
        with self._lock:
            wait = not self._cancelled or self._steps > 0
        if not wait:
            self.end(Failed("Cancelled", "The task was cancelled."))


class ReadingWork(Work, ABC):
    """A task whose lines are read.

    Attributes:
        prepared: nothing is left to prepare.
        pixels: of its pictures that wait to be read.
    """

    def __init__(self, number: int, room: Room) -> None:
        super().__init__(number, room)
        self.prepared = False
        self.pixels = 0

    @abstractmethod
    def prepare(self) -> None:
        """Decode a page, or some pictures, and queue their lines."""

    @property
    @abstractmethod
    def has_room(self) -> bool:
        """Whether more may be prepared ahead of what is read."""

    @abstractmethod
    def fetch(self) -> None:
        """Download what is to be read."""


def failed(error: Exception) -> Failed:
    """What is told of an error; of our mistakes nothing."""
    if isinstance(error, TrOCRError):
        kinds = (kind for kind in type(error).__mro__ if kind.__module__ == TrOCRError.__module__)
        return Failed(next(kinds).__name__, error.message, error.hint)
    return Failed("Internal", "Something went wrong inside the server.", "Its log says where.")
