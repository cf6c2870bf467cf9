"""The events of a job, kept in a file so that a client can be told again what it missed."""

from __future__ import annotations

import asyncio
import os
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """``number``: counts from 1; ``name``: of the event; ``data``: JSON on one line."""

    number: int
    name: str
    data: str


class EventLog:
    """A list that is written at one end and read by any number of readers who wait for more.

    Args:
        path: of the file, a new one; it may be removed while the log is in use.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("x+b", buffering=0)
        self._ends = array("Q", [0])
        self._news = asyncio.Event()
        self._closed = False

    def append(self, name: str, data: bytes) -> None:
        """Add an event, and wake who waits for it."""
        row = b"%s %s" % (name.encode("ascii"), data)
        self._file.write(row)
        self._ends.append(self._ends[-1] + len(row))
        self._wake()

    def close(self) -> None:
        """There will be no more: readers come to an end."""
        self._closed = True
        self._wake()

    async def read(self, after: int) -> AsyncIterator[Entry]:
        """All events behind the one with that number, those to come too."""
        number = after
        while True:
            news = self._news
            while number + 1 < len(self._ends):
                number += 1
                yield self._entry(number)
            if self._closed:
                return
            await news.wait()

    def _entry(self, number: int) -> Entry:
        start, end = self._ends[number - 1], self._ends[number]
        row = os.pread(self._file.fileno(), end - start, start)
        name, _, data = row.decode("utf-8").partition(" ")
        return Entry(number, name, data)

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
