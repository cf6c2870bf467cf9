"""The loop that reads lines, a batch of all tasks at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from time import perf_counter
from typing import Any, Protocol

from PIL import Image

from ...errors import TrOCRError
from ...line_result import LineResult
from ..logs import log
from ..messages import LineOptions
from .batching import LineQueue, WaitingLine
from .stats import Counts, Tally
from .watch import Step, Watch

# Few lines do not join those that are being read, but wait for more of them: what a line costs
# falls with the size of its batch. With 16 clients at a core, a line took 5.8 ms of CPU, not 7.0.
FULL_ENOUGH = 0.5  # of a batch
PATIENCE = 0.2  # seconds, at most; one line may take long


class LineReader(Protocol):
    """What is needed of a ``Recognizer``."""

    @property
    def read_lines(self) -> Callable[..., list[LineResult]]: ...

    @property
    def read_continuously(self) -> Callable[..., Iterator[tuple[WaitingLine, LineResult]]]: ...


class ReadingLoop:
    """Reads whatever comes into a queue.

    Args:
        readers: by the names of their models.
    """

    def __init__(
        self,
        readers: Mapping[str, LineReader],
        lines: LineQueue,
        batch_size: int,
        watch: Watch,
        tally: Tally,
    ) -> None:
        self._readers = readers
        self._lines = lines
        self._batch_size = batch_size
        self._clock = _Clock(watch, tally)
        self._tally = tally
        self._in_hand: dict[WaitingLine, None] = {}
        self._taken = 0.0  # when lines were taken up last

    def run(self) -> None:
        """Until the queue is closed."""
        while (options := self._lines.next_options()) is not None:
            self._read(options)

    def _read(self, options: LineOptions) -> None:
        """Lines of equal options, until it is the turn of others."""
        reader, arguments = self._readers[options.model], _arguments(options)

        def next_lines(wait: bool) -> list[tuple[WaitingLine, Image.Image]] | None:
            if not wait and self._had_better_wait():
                return []
            with self._clock.stopped():
                lines = self._lines.take(options, self._batch_size, wait)
            if lines:
                self._tally.add(Counts(batches=1, batch_rows=len(lines)))
                self._taken = perf_counter()
            held = (line for line in self._in_hand if line.wanted())
            self._in_hand = dict.fromkeys((*held, *(lines or ())))
            return None if lines is None else [(line, line.picture) for line in lines]

        with self._clock.running():
            try:
                for line, result in reader.read_continuously(
                    next_lines, batch_size=self._batch_size, forget=_is_unwanted, **arguments
                ):
                    self._hand_over(line, result)
            except Exception as error:
                _log("batch-failed", error)
                if not self._in_hand:  # the options themselves cannot be used
                    next_lines(False)
                self._read_one_by_one(reader, arguments)
            self._in_hand = {}

    def _had_better_wait(self) -> bool:
        """Whether more lines should come before others join those that are being read."""
        few = self._lines.total < FULL_ENOUGH * self._batch_size
        soon = perf_counter() - self._taken < PATIENCE
        return few and soon and any(line.wanted() for line in self._in_hand)

    def _read_one_by_one(self, reader: LineReader, arguments: Mapping[str, Any]) -> None:
        """So that only the line on which a batch fails has no result."""
        for line in list(self._in_hand):
            if _is_unwanted(line):
                continue
            try:
                [outcome] = reader.read_lines([line.picture], batch_size=1, **arguments)
            except Exception as error:
                _log("line-failed", error)
                self._hand_over(line, error)
            else:
                self._hand_over(line, outcome)

    def _hand_over(self, line: WaitingLine, outcome: LineResult | Exception) -> None:
        self._in_hand.pop(line, None)
        self._clock.goes_on()
        self._tally.add(Counts(lines=1))
        line.take(outcome)


class _Clock:
    """Measures the time in which lines are read, without that in which none are there."""

    def __init__(self, watch: Watch, tally: Tally) -> None:
        self._watch = watch
        self._tally = tally
        self._began = 0.0
        self._step: Step | None = None
        self._watched = ExitStack()

    def running(self) -> ExitStack:
        """Around the reading."""
        stack = ExitStack()
        self._start()
        stack.callback(self._stop)
        return stack

    def stopped(self) -> ExitStack:
        """Around waiting, while it runs."""
        stack = ExitStack()
        self._stop()
        stack.callback(self._start)
        return stack

    def goes_on(self) -> None:
        """A line was read."""
        if self._step:
            self._step.goes_on()

    def _start(self) -> None:
        self._began = perf_counter()
        self._step = self._watched.enter_context(self._watch.step("reading"))

    def _stop(self) -> None:
        self._tally.spent("reading", perf_counter() - self._began)
        self._watched.close()


def _arguments(options: LineOptions) -> dict[str, Any]:
    names = ("num_beams", "n_best", "allow", "regex", "lexicon", "words")
    return {name: getattr(options, name) for name in names}


def _is_unwanted(line: WaitingLine) -> bool:
    return not line.wanted()


def _log(event: str, error: Exception) -> None:
    if not isinstance(error, TrOCRError):
        log(event, {"reason": type(error).__name__}, level=logging.ERROR, error=True)
