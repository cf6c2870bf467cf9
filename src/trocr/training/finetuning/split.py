"""Which lines are trained on and which are validated on: whole pages, where pages are known."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...errors import DataError, UsageError
from ...labelled_lines import LabelledLine
from ...line_pages import Pages, counted, pages_of

MAX_VALIDATION = 500  # lines, unless a fraction is asked for
LARGEST_PAGE = 0.35  # of all lines; a set whose smallest page is larger is not split by page
MAX_OVERSHOOT = 3.0  # times the lines asked for


@dataclass(frozen=True)
class Split:
    """Two sides of a set, each in its order.

    Attributes:
        by: how it was split, in words.
    """

    train: list[LabelledLine]
    validation: list[LabelledLine]
    by: str


def split_lines(
    lines: Sequence[LabelledLine], validation_fraction: float | None = None, seed: int = 1
) -> Split:
    """Split a set so that nothing of the training side helps to read the validation side.

    Whole pages (``pages_of``) go to one side, and so do lines with equal pictures. Where a single
    page is known, or a few large ones, the last lines of one are validated on, and ``by`` warns.
    The same lines and seed give the same sides, whatever the order of the lines.

    Args:
        validation_fraction: share of lines to validate on, 0 up to 1 (excluded); default: by the
            number of lines: 5 of 20, 27 of 200, 150 of 2,000, never more than ``MAX_VALIDATION``.

    Raises:
        DataError: fewer than two different pictures.
        UsageError: an impossible fraction.
    """
    if validation_fraction is not None and not 0 <= validation_fraction < 1:
        raise UsageError(
            f"A validation fraction of {validation_fraction} is not possible.",
            "Give a share of the lines from 0 up to, but not, 1.",
        )
    if validation_fraction == 0:
        return Split(list(lines), [], "not at all: every line is trained on")
    twins = _groups(_digest(line.image) for line in lines)
    if len(twins) < 2:
        raise DataError(
            f"A set with {len(twins)} different line pictures cannot be split.",
            "Give more labelled lines; some twenty are the least to learn from.",
        )
    target = _target(len(lines), validation_fraction)
    pages = pages_of(lines)
    chosen, by = _by_page(lines, pages, twins, target, seed)
    return Split(
        [line for number, line in enumerate(lines) if number not in chosen],
        [line for number, line in enumerate(lines) if number in chosen],
        by,
    )


def set_apart(lines: Sequence[LabelledLine], validation: Sequence[LabelledLine]) -> Split:
    """The sides as two sets give them; nothing is trained on that the other set holds too."""
    held_out = {line.image for line in validation}
    train = [line for line in lines if line.image not in held_out]
    both = len(lines) - len(train)
    left_out = f", {counted(both, 'line')} of which were left out of the others" if both else ""
    return Split(train, list(validation), f"by hand: a set of its own validates{left_out}")


def _target(count: int, fraction: float | None) -> int:
    """How many lines to validate on."""
    if fraction is not None:
        return max(1, round(fraction * count))
    return max(1, min(MAX_VALIDATION, round(math.pow(count, 0.75) / 2)))


def _by_page(
    lines: Sequence[LabelledLine], pages: Pages, twins: list[list[int]], target: int, seed: int
) -> tuple[set[int], str]:
    """Numbers of the lines to validate on, and how they were chosen."""
    together = _joined(_groups(pages.names), twins)
    names = [min(pages.names[number] for number in group) for group in together]
    order = sorted(range(len(together)), key=lambda i: (_digest(f"{seed} {names[i]}"), names[i]))
    smallest = min(map(len, together))
    if smallest <= max(1.0, min(MAX_OVERSHOOT * target, LARGEST_PAGE * len(lines))):
        chosen = _closest([together[i] for i in order], target, len(lines))
        if pages.source:
            return chosen, f"by page ({pages.words})"
        return chosen, "by line: no pages known; lines of one page may be on both sides"
    twins_of = {number: group for group in twins for number in group}
    page = min((together[i] for i in order), key=len)
    last = [twins_of[number] for number in reversed(page)]
    whose = "its last lines" if len(together) == 1 else "the last lines of one, as each is large,"
    by = f"by line: {pages.words}; {whose} are validated on, and resemble the others"
    return _closest(last, target, len(lines)), by


def _closest(groups: Sequence[list[int]], target: int, total: int) -> set[int]:
    """Groups, the first ones first, each taken if it brings their lines closer to ``target``.

    Never all of ``total`` lines, and never none.
    """
    chosen: set[int] = set()
    for group in groups:
        more = chosen.union(group)
        if abs(len(more) - target) < abs(len(chosen) - target) and len(more) < total:
            chosen = more
    smallest = min(groups, key=len)
    return chosen or set(smallest)


def _groups(keys: Iterable[str]) -> list[list[int]]:
    """Numbers with the same key, in order."""
    groups = defaultdict(list)
    for number, key in enumerate(keys):
        groups[key].append(number)
    return list(groups.values())


def _joined(*partitions: list[list[int]]) -> list[list[int]]:
    """The finest groups of which no group of any partition is torn apart."""
    root: dict[int, int] = {}

    def find(number: int) -> int:
        while root.setdefault(number, number) != number:
            root[number] = number = root[root[number]]
        return number

    for group in (group for partition in partitions for group in partition):
        for number in group:
            root[find(number)] = find(group[0])
    joined = defaultdict(list)
    for number in sorted(root):
        joined[find(number)].append(number)
    return list(joined.values())


def _digest(content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()
