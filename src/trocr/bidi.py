"""Scripts that are written leftwards (Unicode annex 9)."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def right_to_left(text: str) -> bool:
    """Does it read from right to left: is its first strong character of such a script?"""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


def has_right_to_left(text: str) -> bool:
    """Whether a letter of such a script is in it."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def visual_order(cells: Sequence[str]) -> list[int]:
    """Positions of characters, each with its marks, from left to right as they stand on the line.

    The part of the bidirectional algorithm (Unicode annex 9) that needs no marks: letters written
    leftwards turn the line around if the first letter is one; numbers and letters of other scripts
    keep their order among themselves, and what is neutral goes with its like neighbours, else with
    the line.
    """
    kinds = [unicodedata.bidirectional(cell[0]) for cell in cells]
    strong = [kind for kind in kinds if kind in ("L", "R", "AL")]
    if not {"R", "AL"} & set(strong):
        return list(range(len(cells)))
    base = 0 if strong[0] == "L" else 1
    levels = _levels(kinds, base)
    order = list(range(len(cells)))
    for level in range(max(levels), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= level:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = end + 1
    return order


def _levels(kinds: Sequence[str], base: int) -> list[int]:
    """Embedding level of each cell: odd ones run leftwards."""
    levels: list[int | None] = []
    leftwards = base == 1
    for kind in kinds:
        if kind in ("R", "AL"):
            leftwards = True
            levels.append(1)
        elif kind == "L":
            leftwards = base == 1
            levels.append(2 * base)
        elif kind in ("EN", "AN"):
            levels.append(2 if leftwards else 0)
        else:
            levels.append(None)
    known: list[int] = []
    for i, level in enumerate(levels):
        after = next((later for later in levels[i:] if later is not None), base)
        between = after if known and known[-1] == after else base
        known.append(between if level is None else level)
    return known
