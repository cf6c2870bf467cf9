"""Standard output for results, standard error for everything else."""

from __future__ import annotations

import json
import sys
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
    """A progress bar on standard error, if that is a terminal.

    Args:
        total: steps; no bar is shown for a single one.
    """

    def __init__(self, total: int) -> None:
        self._progress: Any = None
        if total > 1 and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            # Redirected through rich, standard output would end up on standard error.
            self._progress = Progress(
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._progress.add_task("reading", total=total)

    def __enter__(self) -> Bar:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress:
            self._progress.stop()

    def advance(self) -> None:
        if self._progress:
            self._progress.advance(self._task)

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
