"""Page ranges such as ``1-3,7,-1``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import UsageError

_PART = re.compile(r"(-?\d{1,9})(-(-?\d{1,9})?)?")


@dataclass(frozen=True)
class Selection:
    """Pages by number from 1, or from the end by negative numbers; no parts are all pages."""

    parts: tuple[tuple[int, int], ...] = ()

    def choose(self, count: int) -> tuple[list[range], list[str]]:
        """The pages of a file of `count` pages.

        Returns:
            Runs of page numbers, ascending, each page once; and the parts that name no page.
        """
        if not self.parts:
            return [range(1, count + 1)], []
        runs: list[range] = []
        absent = []
        for part in sorted(self.parts, key=lambda part: _from_start(part, count)):
            first, last = _from_start(part, count)
            run = range(max(first, 1), min(last, count) + 1)
            if run:
                start = max(run.start, runs[-1].stop) if runs else run.start
                runs.append(range(start, max(run.stop, start)))
            else:
                absent.append(str(part[0]) if part[0] == part[1] else f"{part[0]}-{part[1]}")
        return runs, absent


def _from_start(part: tuple[int, int], count: int) -> tuple[int, int]:
    first, last = (number if number > 0 else count + 1 + number for number in part)
    return first, last


def parse_selection(text: str | None) -> Selection:
    """Read ranges such as ``1-3,7,-1`` (the last), ``5-`` (to the end), ``-3--1``.

    Raises:
        UsageError: no such thing; page 0; a range that runs backwards.
    """
    if text is None:
        return Selection()
    parts = []
    for piece in text.replace(" ", "").split(","):
        match = _PART.fullmatch(piece)
        if not match:
            raise _unusable(text, f"{piece!r} is no page")
        first = int(match[1])
        last = first if not match[2] else int(match[3] or -1)
        if 0 in (first, last):
            raise _unusable(text, "pages count from 1")
        if (first > 0) == (last > 0) and first > last:
            raise _unusable(text, f"{piece} runs backwards")
        parts.append((first, last))
    return Selection(tuple(parts))


def _unusable(text: str, why: str) -> UsageError:
    return UsageError(
        f"The page range {text!r} cannot be used: {why}.",
        "Write numbers and ranges, as in 1-3,7,-1; negative numbers count from the end.",
    )
