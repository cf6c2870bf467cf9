"""Contenders that take turns at the same work, and how many times faster one of them is."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

WARM_UP = 1  # rounds that are not counted


@dataclass(frozen=True)
class Contender:
    """``work`` is what is timed; its result is what is compared."""

    label: str
    work: Callable[[], Any]


@dataclass
class Timing:
    """Seconds of every round that counts, and what the last one gave."""

    seconds: list[float] = field(default_factory=list)
    result: Any = None

    @property
    def median(self) -> float:
        return median(self.seconds)


def interleaved(
    contenders: Sequence[Contender],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Timings by label; each round begins with another contender."""
    timings = {contender.label: Timing() for contender in contenders}
    for turn in range(-WARM_UP, rounds):
        first = turn % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            began = clock()
            result = contender.work()
            took = clock() - began
            timings[contender.label].result = result
            if turn >= 0:
                timings[contender.label].seconds.append(took)
    return timings


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        work: what was done.
        ours, against: who did it.
        measured: times faster, or what ``unit`` says.
        floor, goal: of ``measured``; None where the issue names none.
        at_most: less is better.
        same: per cent of the lines with the same ids or texts; None where nothing is comparable.
        must_be_same: whether anything below 100 is an error.
        seconds: medians, by label; of everyone that took part.
        details: further figures.
    """

    work: str
    ours: str
    against: str
    measured: float
    floor: float | None = None
    goal: float | None = None
    unit: str = "x"
    at_most: bool = False
    same: float | None = None
    must_be_same: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    details: dict[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """``goal``, ``floor``, ``below`` or, without targets, nothing."""
        for name, target in (("goal", self.goal), ("floor", self.floor)):
            if target is not None and self._reaches(target):
                return name
        return "" if self.floor is None else "below"

    def _reaches(self, target: float) -> bool:
        return self.measured <= target if self.at_most else self.measured >= target


def times_faster(
    work: str,
    timings: dict[str, Timing],
    ours: str,
    against: str,
    targets: tuple[float, float] | None = None,
    **values: Any,
) -> Row:
    """A row about two of the contenders."""
    floor, goal = targets or (None, None)
    seconds = {label: timing.median for label, timing in timings.items()}
    ratio = seconds[against] / seconds[ours]
    return Row(work, ours, against, ratio, floor, goal, seconds=seconds, **values)


def share_same(ours: Sequence[Any], others: Sequence[Any]) -> float:
    """Per cent of the items that are equal."""
    pairs = list(zip(ours, others, strict=True))
    return 100 * sum(one == other for one, other in pairs) / len(pairs)


def differing(rows: Sequence[Row]) -> list[str]:
    """What of the rows had to be the same and is not."""
    return [
        f"{row.work}: {row.ours} and {row.against} agree on {row.same:.1f} % of the lines"
        for row in rows
        if row.must_be_same and row.same is not None and row.same < 100
    ]


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    lines = [
        ("work", "ours", "against", "floor", "goal", "measured", "reached", "same, %"),
        ("---",) * 8,
    ]
    for row in rows:
        targets = [_number(value, row) for value in (row.floor, row.goal)]
        same = "" if row.same is None else f"{row.same:.1f}"
        measured = _number(row.measured, row)
        lines.append((row.work, row.ours, row.against, *targets, measured, row.verdict, same))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _number(value: float | None, row: Row) -> str:
    if value is None:
        return ""
    digits = f"{value:.1f}" if value < 20 else f"{value:.0f}"
    number = digits.removesuffix(".0") if value in (row.floor, row.goal) else digits
    return f"{number} s" if row.unit == "s" else f"{number}{row.unit}"
