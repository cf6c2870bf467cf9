"""How many tasks there may be, and when it may be worth to ask again."""

from __future__ import annotations

import time

from ..messages import Busy, Export, ReadLines, Task
from ..settings import ServeSettings

_SMOOTHING = 0.2  # of the newest, in the mean of the times between two ends
_LEAST, _MOST = 1.0, 60.0  # seconds that clients are told to wait


class Seats:
    """Counts the tasks that are accepted and have not ended.

    Attributes:
        taken: how many.
        bytes: of their bodies.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._gap: float | None = None  # seconds between two ends while there is work
        self._since = 0.0
        self.taken = 0
        self.bytes = 0

    def take(self, size: int) -> None:
        """
        Raises:
            Busy: there is none.
        """
        most = self._settings.max_waiting_bytes
        # A single body is let in at any rate, else one at the limit would never be.
        if self.taken >= self._settings.max_waiting or (self.bytes and self.bytes + size > most):
            raise Busy(self.wait())
        if not self.taken:
            self._since = time.monotonic()
        self.taken += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """A task has ended."""
        now = time.monotonic()
        gap, self._since = now - self._since, now
        mean = gap if self._gap is None else self._gap
        self._gap = mean + _SMOOTHING * (gap - mean)
        self.taken -= 1
        self.bytes -= size

    def wait(self) -> float:
        """Seconds in which about half of what waits should be done."""
        return min(max(_LEAST, (self._gap or 0.0) * self.taken / 2), _MOST)


def size_of(task: Task) -> int:
    """Bytes of what came with it."""
    if isinstance(task, Export):
        return len(task.corrections)
    uploads = task.uploads if isinstance(task, ReadLines) else (task.upload,)
    return sum(len(upload.content) for upload in uploads)
