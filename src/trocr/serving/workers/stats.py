"""How much was read: counted in the workers, added up in the main process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class Counts:
    """What was done.

    Attributes:
        lines, pages: that were read.
        batches: times that lines were taken up together.
        batch_rows: lines in them.
        stage_seconds: by stage, of all threads together.
    """

    lines: int = 0
    pages: int = 0
    batches: int = 0
    batch_rows: int = 0
    stage_seconds: dict[str, float] = field(default_factory=dict)

    def add(self, more: Counts) -> None:
        """Count in what was done besides."""
        self.lines += more.lines
        self.pages += more.pages
        self.batches += more.batches
        self.batch_rows += more.batch_rows
        for stage, seconds in more.stage_seconds.items():
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds


@dataclass
class Stats(Counts):
    """Of all workers since the server began; ``restarts``: of workers that died."""

    restarts: int = 0


class Tally:
    """Counts of several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = Counts()

    def add(self, counts: Counts) -> None:
        """Count in what was done."""
        with self._lock:
            self._counts.add(counts)

    def spent(self, stage: str, seconds: float) -> None:
        """Count the time of a step."""
        self.add(Counts(stage_seconds={stage: seconds}))

    def taken(self) -> Counts:
        """All since this was called last."""
        with self._lock:
            counts, self._counts = self._counts, Counts()
        return counts
