"""What a run has read, for its last words."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

from ..document import Page
from ..pages import PageFailure
from .outputs import PAGED

SHOWN = 5  # pages to check first
UNSURE = 0.8  # mean confidence of their lines, below which pages are worth a check


@dataclass
class Tally:
    """Counts of a run.

    Attributes:
        documents: written.
        done_before: sources whose files were all there.
        kept: pages that an unfinished run had read.
        failures: pages and sources that cannot be read.
    """

    documents: int = 0
    done_before: int = 0
    kept: int = 0
    failures: list[PageFailure] = field(default_factory=list)
    pages: int = 0
    lines: int = 0
    confidence: float = 0.0  # sum over lines that have one
    rated: int = 0
    started: float = field(default_factory=time.monotonic)
    _worst: list[tuple[float, str, int]] = field(default_factory=list)  # a heap, best first

    def add(self, page: Page) -> None:
        """Count a page."""
        known = [line.confidence for line in page.lines if line.confidence is not None]
        self.pages += 1
        self.lines += sum(1 for _ in page.lines)
        self.confidence += sum(known)
        self.rated += len(known)
        if page.confidence is not None and page.confidence < UNSURE:
            heapq.heappush(self._worst, (-page.confidence, page.source, page.number))
            if len(self._worst) > SHOWN:
                heapq.heappop(self._worst)

    def rows(self) -> Iterator[str]:
        """The summary."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        fresh = self.pages - self.kept
        row = f"{_count(self.documents, 'document')}, {_count(self.pages, 'page')}, "
        row += f"{_count(self.lines, 'line')} in {duration(seconds)}"
        row += f" ({_rate(fresh / seconds)} pages/s)" if fresh else ""
        row += f", mean confidence {self.confidence / self.rated:.2f}" if self.rated else ""
        yield row
        if self.kept:
            yield f"{_count(self.kept, 'page')} had been read by a run that was cut off"
        if self.done_before:
            done = _count(self.done_before, "source")
            yield f"{done} done before, left as they are (--overwrite reads them again)"
        if self._worst:
            yield "check first:"
            for negative, source, number in sorted(self._worst, reverse=True):
                yield f"  {-negative:.2f}  {_place(source, number)}"
        if self.failures:
            yield "could not be read:"
            for failure in self.failures:
                yield f"  {_place(failure.source, failure.number)}"


def _place(source: str, number: int | None) -> str:
    paged = number and (number > 1 or PurePath(source).suffix.lower() in PAGED)
    return f"{source}, page {number}" if paged else source


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """Seconds for people."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
