"""How far a batch run is."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .lock import is_going_on
from .manifest import LISTED, Manifest


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Attributes:
        going_on: a process is at it.
        listed: all inputs were listed to their end, so the counts are of all there is.
        entries, done, quarantined, left: files, and what became of them.
        pages, failed_pages: read, and not to be read in entries that were.
        pages_per_second: lately, in the last run.
        seconds_left: at that speed; None where it is unknown.
        runs, seconds: how many there were, and their time in all.
        last: how the last one ended; ``"cut off"`` where it could not say.
        settings: with which the output was begun.
    """

    going_on: bool
    listed: bool
    entries: int
    done: int
    quarantined: int
    left: int
    pages: int
    failed_pages: int
    pages_per_second: float
    seconds_left: float | None
    runs: int
    seconds: float
    last: str
    settings: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def read_status(state: Path) -> Status:
    """How far the run over a manifest is; it may be going on.

    Raises:
        UsageError: there is no manifest.
        OutputError: it cannot be read.
    """
    manifest = Manifest(state)
    try:
        return status_of(manifest, going_on=is_going_on(state))
    finally:
        manifest.close()


def status_of(manifest: Manifest, *, going_on: bool) -> Status:
    """How far the run over a manifest is."""
    count = manifest.counters()
    runs = manifest.history.runs()
    pages, entries = manifest.history.speed()
    left = count["listed"] - count["done"] - count["quarantined"]
    last = runs[-1].ended if runs else ""
    seen = [(time.time() if going_on and run is runs[-1] else run.seen) for run in runs]
    return Status(
        going_on=going_on,
        listed=manifest.fact(LISTED) == "yes",
        entries=count["listed"],
        done=count["done"],
        quarantined=count["quarantined"],
        left=left,
        pages=count["pages"],
        failed_pages=count["failed_pages"],
        pages_per_second=round(pages, 3),
        seconds_left=round(left / entries, 1) if entries > 0 else None,
        runs=len(runs),
        seconds=round(sum(end - run.started for run, end in zip(runs, seen, strict=True)), 1),
        last="going on" if going_on else last or "cut off",
        settings=manifest.settings(),
    )
