"""Standard output for results, standard error for everything else."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import TrOCRError

if TYPE_CHECKING:
    from ..stream import Reading


def report(error: TrOCRError, where: str = "") -> None:
    """One line on standard error: what, where, and what to do."""
    message = str(error).replace("\n", " ")
    print(f"trocr: {where}: {message}" if where else f"trocr: {message}", file=sys.stderr)


def json_line(value: dict[str, Any]) -> str:
    """One JSON object, readable; what is not valid Unicode (in file names) is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class Bar:
    """A progress bar on standard error, if that is a terminal: how far, how fast, time left.

    Args:
        total: steps; no bar is shown for a single one.
        unit: what a step is.
        verb: what is done.
    """

    def __init__(self, total: int, unit: str = "lines", verb: str = "reading") -> None:
        self._progress: Any = None
        self._unit = unit
        self._steps = self._lines = 0
        if total > 1 and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
            from rich.progress import TimeRemainingColumn as TimeLeft

            # Redirected through rich, standard output would end up on standard error.
            self._progress = Progress(
                *(verb, BarColumn(), MofNCompleteColumn(), unit),
                *(TextColumn("{task.fields[rate]}"), TimeLeft(), "left"),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                speed_estimate_period=300,  # pages come in bursts
            )
            self._task = self._progress.add_task("", total=total, rate="")
            self._started = time.monotonic()

    def __enter__(self) -> Bar:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress:
            self._progress.stop()

    def advance(self, lines: int = 0) -> None:
        """Go on by one step, in which as many lines were read."""
        if not self._progress:
            return
        self._steps, self._lines = self._steps + 1, self._lines + lines
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = f"{self._steps / seconds:.1f} {self._unit}/s"
        if self._lines:
            rate += f", {self._lines / seconds:.0f} lines/s"
        self._progress.update(self._task, advance=1, rate=rate)

    def shorten(self, steps: int) -> None:
        """So many steps need not be made."""
        if self._progress and steps:
            total = self._progress.tasks[self._task].total - steps
            self._progress.update(self._task, total=total)

    def show(self, steps: int, total: int, rate: str) -> None:
        """So many of now so many steps are made."""
        if self._progress:
            self._progress.update(self._task, completed=steps, total=total, rate=rate)

    def passed(self, reading: Reading) -> None:
        """Go on by one picture; report it if it could not be read."""
        self.advance()
        if reading.error:
            with self.aside(sys.stderr):
                report(reading.error, reading.name)

    @contextmanager
    def aside(self, stream: TextIO) -> Iterator[None]:
        """Out of the way while ``stream`` is written to, if that is a terminal too."""
        hidden = stream.isatty()
        if hidden:
            self.__exit__()
        yield
        if hidden:
            self.__enter__()
