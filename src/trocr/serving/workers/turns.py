"""Whose page is prepared next."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from .work import ReadingWork

MOST_PIXELS = 160_000_000  # of the pictures of all tasks that wait to be read


class Turns:
    """Tasks that have something to prepare, page by page in turns.

    New tasks come first, but not twice in a row while others wait: a short one is soon done, and a
    long one goes on.

    Args:
        held: the pixels of all pictures that wait to be read.
    """

    def __init__(self, held: Callable[[], int]) -> None:
        self._held = held
        self._changed = threading.Condition()
        self._new: deque[ReadingWork] = deque()
        self._begun: deque[ReadingWork] = deque()
        self._last_was_new = False
        self._closed = False

    def add(self, work: ReadingWork, begun: bool = False) -> None:
        """It has something to prepare; ``begun``: as it had before."""
        with self._changed:
            (self._begun if begun else self._new).append(work)
            self._changed.notify_all()

    def changed(self) -> None:
        """A task may have room to go on now."""
        with self._changed:
            if self._new or self._begun:
                self._changed.notify_all()

    def close(self) -> None:
        """Whoever waits is told that nothing more is to be prepared."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def next(self) -> ReadingWork | None:
        """The next task, which leaves; waits for one. None: it is closed."""
        with self._changed:
            while not self._closed:
                if work := self._choose():
                    return work
                self._changed.wait()
            return None

    def _choose(self) -> ReadingWork | None:
        if self._held() >= MOST_PIXELS:
            return None
        orders = [self._new, self._begun]
        for order in reversed(orders) if self._last_was_new else orders:
            for work in list(order):
                if work.over:
                    order.remove(work)
                elif work.has_room:
                    order.remove(work)
                    self._last_was_new = order is self._new
                    return work
        return None
