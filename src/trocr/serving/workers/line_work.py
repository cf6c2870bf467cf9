"""Pictures of lines, from uploads to results."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import IO

from PIL import Image

from ...errors import DataError, ImageError, UsageError
from ...image import load_image
from ...line_result import LineResult
from ..formats import clean_name
from ..messages import Done, Failed, LineOptions, LineResults, ReadLines, Upload
from .batching import WaitingLine
from .fetching import fetched
from .work import AHEAD_PIXELS, ReadingWork, Room, failed

_STEP = 8  # pictures that are decoded before it is another task's turn


class LineWork(ReadingWork):
    """A `ReadLines` on its way."""

    def __init__(self, number: int, task: ReadLines, room: Room) -> None:
        super().__init__(number, room)
        self._options = task.options
        self._uploads: list[Upload | None] = list(task.uploads)  # None: is decoded
        self._fetched: dict[int, IO[bytes]] = {}
        self._results: list[LineResult | Failed | None] = [None] * len(task.uploads)
        self._missing = len(task.uploads)
        self._next = 0
        self._complete = False
        self._count = threading.Lock()

    def fetch(self) -> None:
        for at, upload in enumerate(self._uploads):
            if upload and upload.url and not self.over:
                try:
                    self._fetched[at] = fetched(upload.url, self.room.settings)
                except ImageError as error:
                    self._take(at, 0, error)

    @property
    def has_room(self) -> bool:
        waiting = self.room.lines.waiting(self.number)
        return self.pixels < AHEAD_PIXELS and waiting < 4 * self.room.settings.batch_size

    def prepare(self) -> None:
        end = min(self._next + _STEP, len(self._uploads))
        for at in range(self._next, end):
            if self._results[at] is None and not self.over:
                self._prepare(at)
        self._next = end
        if end == len(self._uploads):
            self.prepared = True
            self._finish_if_complete()

    def _prepare(self, at: int) -> None:
        upload, self._uploads[at] = self._uploads[at], None
        assert upload is not None
        source = self._fetched.pop(at, upload.content)
        try:
            picture = load_image(
                source,
                name=clean_name(upload.name),
                max_pixels=self.room.settings.max_pixels,
            )
        except ImageError as error:
            self._take(at, 0, error)
            return
        pixels = _pixels(picture)
        with self._count:
            self.pixels += pixels
        take = self.taking(partial(self._take, at, pixels))
        line = WaitingLine(picture, take, lambda: not self.over)
        self.room.lines.put(self.number, self._options, [line])

    def _take(self, at: int, pixels: int, outcome: LineResult | Exception) -> None:
        if isinstance(outcome, (UsageError, DataError)):  # so it would be for any line
            self.end(failed(outcome))
            return
        with self._count:
            self._results[at] = failed(outcome) if isinstance(outcome, Exception) else outcome
            self._missing -= 1
            self.pixels -= pixels
        self._finish_if_complete()
        self.room.changed()

    def _finish_if_complete(self) -> None:
        with self._count:
            if self._missing or not self.prepared or self._complete:
                return
            self._complete = True
        results = (_needed(each, self._options) for each in self._results if each is not None)
        self.end(LineResults(tuple(results)), Done(dict(self.seconds)))


def _needed(result: LineResult | Failed, options: LineOptions) -> LineResult | Failed:
    """Without what no client is told, which would cost more to send than all else."""
    if isinstance(result, Failed):
        return result
    n_best = result.n_best if options.n_best > 1 else ()
    return replace(result, tokens=(), token_ids=(), evidence={}, n_best=n_best)


def _pixels(picture: Image.Image) -> int:
    return picture.width * picture.height
