"""The lines of all tasks that wait to be read, and which of them go into the next batch."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from PIL import Image

from ...line_result import LineResult
from ..messages import LineOptions


@dataclass(frozen=True, eq=False)
class WaitingLine:
    """A picture of a line.

    Attributes:
        take: is given the result, or why there is none.
        wanted: whether anyone still waits for it.
    """

    picture: Image.Image = field(repr=False)
    take: Callable[[LineResult | Exception], None]
    wanted: Callable[[], bool]

    @property
    def shape(self) -> float:
        """Width over height: lines of like shape cost least together."""
        return self.picture.width / self.picture.height


@dataclass
class _Share:
    """What waits of one task, oldest first."""

    options: LineOptions
    lines: list[WaitingLine] = field(default_factory=list)


class LineQueue:
    """Lines by task; those of equal options are read together.

    Tasks take turns: a batch has a line of each before it has a second one of any, and begins with
    the task that was served longest ago. So a task of a few lines never waits for all of a long
    one.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._shares: OrderedDict[int, _Share] = OrderedDict()  # served longest ago first
        self._closed = False

    def put(self, task: int, options: LineOptions, lines: Iterable[WaitingLine]) -> None:
        """Options are the same for all lines of a task."""
        with self._changed:
            self._shares.setdefault(task, _Share(options)).lines.extend(lines)
            self._changed.notify_all()

    def drop(self, task: int) -> None:
        """Forget the lines of a task."""
        with self._changed:
            self._shares.pop(task, None)

    def close(self) -> None:
        """Whoever waits for lines is told that there are none to come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def waiting(self, task: int) -> int:
        """How many lines of a task wait."""
        share = self._shares.get(task)
        return len(share.lines) if share else 0

    @property
    def total(self) -> int:
        """How many lines wait."""
        with self._changed:
            return sum(len(share.lines) for share in self._shares.values())

    def next_options(self) -> LineOptions | None:
        """Those of the lines whose turn it is; waits for lines. None: it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._shares)
            return None if self._closed else next(iter(self._shares.values())).options

    def take(self, options: LineOptions, most: int, wait: bool) -> list[WaitingLine] | None:
        """The next batch of lines with these options.

        Args:
            most: how many lines.
            wait: until there is one.

        Returns:
            None: it is the turn of lines with other options, or the queue is closed.
        """
        with self._changed:
            while True:
                if wait:
                    self._changed.wait_for(lambda: self._closed or self._shares)
                if self._closed:
                    return None
                if not self._shares:
                    return []
                if next(iter(self._shares.values())).options != options:
                    return None
                lines = [line for line in self._chosen(options, most) if line.wanted()]
                if lines:
                    return lines

    def _chosen(self, options: LineOptions, most: int) -> list[WaitingLine]:
        """Lines that leave the queue; their tasks go to its end."""
        served = [task for task, share in self._shares.items() if share.options == options][:most]
        waiting = [len(self._shares[task].lines) for task in served]
        shape = self._shares[served[0]].lines[0].shape
        chosen: list[WaitingLine] = []
        for task, count in zip(served, _even_shares(waiting, most), strict=True):
            share = self._shares.pop(task)
            taken, share.lines = _parted(share.lines, count, shape)
            chosen += taken
            if share.lines:
                self._shares[task] = share
        return chosen


def _even_shares(waiting: list[int], most: int) -> list[int]:
    """How many of each, as even as may be, `most` in all."""
    counts = [0] * len(waiting)
    while most and counts != waiting:
        for at, many in enumerate(waiting):
            if counts[at] < many and most:
                counts[at] += 1
                most -= 1
    return counts


def _parted(
    lines: list[WaitingLine], count: int, shape: float
) -> tuple[list[WaitingLine], list[WaitingLine]]:
    """The oldest line and those that are nearest to a shape; and the others in their order."""
    nearest = sorted(range(1, len(lines)), key=lambda at: abs(lines[at].shape - shape))
    taken = {0, *nearest[: count - 1]}
    return (
        [line for at, line in enumerate(lines) if at in taken],
        [line for at, line in enumerate(lines) if at not in taken],
    )
