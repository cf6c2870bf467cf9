"""A task in the main process, from its acceptance to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from ..messages import Event, LineRead, PageFailed, PageRead, PageStarted, Task
from .running import Running


@dataclass(eq=False)
class Accepted:
    """A task that a worker has, or is to have.

    Attributes:
        timer: of its deadline.
        leave: is called when nobody has it any more.
        tried: a worker died that had it, among others: it is not tried a third time.
        over: nobody has it any more.
    """

    task: Task
    running: Running
    timer: asyncio.TimerHandle
    leave: Callable[[], None]
    tried: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _pages: set[int] = field(default_factory=set)  # that were told to their ends

    def tell(self, event: Event) -> None:
        """Something happened; of pages that were told before a second try, nothing is new."""
        page = _page_of(event)
        if page is not None:
            if self.tried and page in self._pages:
                return
            if isinstance(event, (PageRead, PageFailed)):
                self._pages.add(page)
        self.running.put(event)

    def let_go(self) -> None:
        """Nobody has it any more."""
        self.timer.cancel()
        self.leave()
        self.over.set()


def _page_of(event: Event) -> int | None:
    if isinstance(event, PageRead):
        return event.page.number
    if isinstance(event, LineRead):
        return event.page
    return event.number if isinstance(event, (PageStarted, PageFailed)) else None
