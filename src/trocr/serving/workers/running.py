"""A task that was accepted, as those see it who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..messages import Done, Event, Failed


class Running:
    """The events of a task, to be iterated over once; the last is a `Done` or a `Failed`.

    Args:
        cancelled: is called once if the task is dropped before it has ended.
    """

    def __init__(self, cancelled: Callable[[], None]) -> None:
        self._cancelled = cancelled
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._exhausted = False
        self.ended = False

    def __aiter__(self) -> Running:
        return self

    async def __anext__(self) -> Event:
        if self._exhausted:
            raise StopAsyncIteration
        event = await self._events.get()
        self._exhausted = isinstance(event, (Done, Failed))
        return event

    def cancel(self) -> None:
        """Drop what is not done yet; nothing once it has ended."""
        self.give_up(Failed("Cancelled", "The task was cancelled."))

    def give_up(self, why: Failed) -> None:
        """End it, and drop what is not done yet; nothing once it has ended."""
        if not self.ended:
            self.put(why)
            self._cancelled()

    def put(self, event: Event) -> None:
        """The pool has something to tell; nothing comes after the end."""
        if not self.ended:
            self.ended = isinstance(event, (Done, Failed))
            self._events.put_nowait(event)
