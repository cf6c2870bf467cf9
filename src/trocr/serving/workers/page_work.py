"""A page of a document while its lines are read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from ...errors import DataError, ImageError, UsageError
from ...line_result import LineResult
from ...pages import PageImage
from ...pipeline import Unread, line_of, page_steps
from ..messages import LineRead, PageStarted
from .batching import WaitingLine
from .work import failed

if TYPE_CHECKING:
    from .document_work import DocumentWork


class PageWork:
    """One page; its steps are taken one after another, in whatever thread.

    Attributes:
        pixels: of its pictures that wait to be read.
    """

    def __init__(self, document: DocumentWork, order: int, picture: PageImage) -> None:
        self._document = document
        self._order = order
        self._number = picture.number
        self._where = f"{picture.source}, page {picture.number}"
        self._steps = page_steps(picture, document.how)
        self._unread: Unread | None = None
        self._results: list[LineResult | None] = []
        self._missing = 0
        self._line_at: list[int] = []  # of each picture, which line of the page it belongs to
        self._over = False
        self.pixels = 0

    def advance(self, results: Sequence[LineResult] | None) -> None:
        """Go on with the results of what was unread; None: begin."""
        announced, self._unread = self._unread is not None, None
        try:
            unread = next(self._steps) if results is None else self._steps.send(results)
        except StopIteration as end:
            self._document.page_done(self._order, end.value, announced)
        except ImageError as error:
            self._fail(error)
        else:
            self._queue(unread)

    def _queue(self, unread: Unread) -> None:
        draft, pictures = unread.draft, unread.pictures
        self._unread = unread
        self._results = [None] * len(pictures)
        self._missing = len(pictures)
        self._line_at = [at for at, pieces in enumerate(draft.pieces) for _ in pieces]
        self.pixels = draft.pixels
        self._document.count_pixels()
        if not unread.probe:
            size = draft.picture.image.size
            self._document.tell_page(PageStarted(self._number, *size, len(draft.pieces)))
        taking = self._document.taking
        lines = [
            WaitingLine(picture, taking(partial(self._take, at)), self._wanted)
            for at, picture in enumerate(pictures)
        ]
        self._document.room.lines.put(self._document.number, self._document.task.options, lines)

    def _wanted(self) -> bool:
        return not self._over and not self._document.over

    def _take(self, at: int, outcome: LineResult | Exception) -> None:
        if not self._wanted():
            return
        if isinstance(outcome, (UsageError, DataError)):  # so it would be for any line
            self._document.end(failed(outcome))
            return
        if isinstance(outcome, Exception):
            problem = f"A line of {self._where} cannot be read: {failed(outcome).message}"
            self._fail(ImageError(problem, failed(outcome).hint))
            return
        self._results[at] = outcome
        self._missing -= 1
        if self._document.task.line_events:
            self._tell_line(at)
        if not self._missing:
            results = [each for each in self._results if each is not None]
            self._document.room.later(self._document, "finishing", partial(self.advance, results))

    def _tell_line(self, at: int) -> None:
        """A line is told once all its pieces are read."""
        assert self._unread is not None
        draft, index = self._unread.draft, self._line_at[at]
        if self._unread.probe:
            return
        ends = list(accumulate(map(len, draft.pieces)))
        start = ends[index] - len(draft.pieces[index])
        found = self._results[start : ends[index]]
        results = [each for each in found if each is not None]
        if len(results) == len(found):
            line = line_of(draft, index, results)
            self._document.emit(LineRead(self._number, index, line))

    def _fail(self, error: ImageError) -> None:
        self._over = True
        self._document.page_failed(self._order, self._number, error)
