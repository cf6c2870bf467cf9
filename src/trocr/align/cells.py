"""Characters of a line: the tokens that write them, their order, what they get from tokens."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from ..tokenizer import Tokenizer

FloatArray = NDArray[np.float64]

_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class Cell:
    """One character with its marks, or a space.

    Attributes:
        text: never empty.
        first, last: the positions of the tokens that begin and end it.
        word: the number of its word among the words of the line; -1 for a space.
    """

    text: str
    first: int
    last: int
    word: int


def line_cells(
    tokenizer: Tokenizer, token_ids: Sequence[int], token_strings: Sequence[str | None], text: str
) -> list[Cell]:
    """The characters of a line in logical order, with the tokens that write them.

    Args:
        tokenizer: decodes byte-level tokens that are no whole characters by themselves.
        token_ids: of the line.
        token_strings: of ``tokenizer.token_strings()``.
        text: what the line says; its spaces are where words end.
    """
    written = _written(tokenizer, token_ids, token_strings)
    expected = "".join(text.split())
    inked = [one for one in written if not one[0].isspace()]
    if "".join(character for character, _, _ in inked) != expected:
        per_token = max(1, len(token_ids)) / max(1, len(expected))
        inked = [(c, int(i * per_token), int(i * per_token)) for i, c in enumerate(expected)]
        written = inked
    word_of = [number for number, word in enumerate(text.split()) for _ in word]
    cells: list[Cell] = []
    seen = 0
    for character, first, last in written:
        if character.isspace():
            cells.append(Cell(" ", first, last, -1))
            continue
        word, seen = word_of[seen], seen + 1
        before = cells[-1] if cells else None
        if before is not None and before.word == word and _joins(before.text, character):
            cells[-1] = Cell(before.text + character, before.first, last, word)
        else:
            cells.append(Cell(character, first, last, word))
    return cells


def _written(
    tokenizer: Tokenizer, token_ids: Sequence[int], token_strings: Sequence[str | None]
) -> list[tuple[str, int, int]]:
    """(character, first token, last token), leading spaces of the line left out."""
    written: list[tuple[str, int, int]] = []
    opened: list[int] = []
    for position, token in enumerate(token_ids):
        text = token_strings[token]
        if text is None:
            opened.append(token)
            continue
        written += _in_bytes(tokenizer, opened, position - len(opened))
        opened = []
        written += [(character, position, position) for character in text]
    written += _in_bytes(tokenizer, opened, len(token_ids) - len(opened))
    start = next((i for i, one in enumerate(written) if not one[0].isspace()), len(written))
    return written[start:]


def _in_bytes(
    tokenizer: Tokenizer, token_ids: Sequence[int], position: int
) -> list[tuple[str, int, int]]:
    """Characters of tokens that are whole only together: each ends where it can be decoded."""
    found: list[tuple[str, int, int]] = []
    whole: str = tokenizer.decode(list(token_ids), skip_special_tokens=True) if token_ids else ""
    begun = 0
    for count in range(1, len(token_ids) + 1):
        part: str = tokenizer.decode(list(token_ids[:count]), skip_special_tokens=True)
        same = next(
            (i for i, (a, b) in enumerate(zip(part, whole, strict=False)) if a != b),
            min(len(part), len(whole)),
        )
        for index in range(len(found), same):
            found.append((whole[index], position + begun, position + count - 1))
            begun = count - 1
        begun = count if same == len(part) else begun
    return found


def _joins(before: str, character: str) -> bool:
    """Whether a character is a mark on the one before, or joined to it."""
    category = unicodedata.category(character)
    return category.startswith("M") or character in _JOINERS or before[-1] == "\u200d"


def tokens_in_order(cells: Sequence[Cell]) -> list[int]:
    """The positions of the tokens that write some cells, each once, as they come."""
    return list(dict.fromkeys(t for cell in cells for t in range(cell.first, cell.last + 1)))


def cell_middles(
    cells: Sequence[Cell], token_middles: Mapping[int, float], left: float, right: float
) -> list[float]:
    """The middle of each cell, from those of the tokens that write it.

    Tokens meet nearer to the one with fewer cells; the cells of one token share its room evenly.

    Args:
        cells: from left to right, at least one.
        token_middles: by position, never falling from left to right.
        left, right: of all that is written, in the same unit.
    """
    tokens = tokens_in_order(cells)
    counts = Counter(cell.first for cell in cells if cell.first == cell.last)
    places = [token_middles[token] for token in tokens]
    meetings = [
        place + (after - place) * (counts[one] or 1) / ((counts[one] or 1) + (counts[other] or 1))
        for (place, after), (one, other) in zip(pairwise(places), pairwise(tokens), strict=True)
    ]
    if meetings:
        left = max(left, 2 * places[0] - meetings[0])
        right = min(right, 2 * places[-1] - meetings[-1])
    edges = [min(left, places[0]), *meetings, max(right, places[-1])]
    room = dict(zip(tokens, pairwise(edges), strict=True))
    placed: Counter[int] = Counter()
    found = []
    for cell in cells:
        if cell.first < cell.last or counts[cell.first] == 1:
            found.append(fmean(token_middles[t] for t in range(cell.first, cell.last + 1)))
            continue
        start, end = room[cell.first]
        found.append(start + (placed[cell.first] + 0.5) / counts[cell.first] * (end - start))
        placed[cell.first] += 1
    return found


def cell_doubts(cells: Sequence[Cell], doubts: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    """How the doubts of tokens fall on the characters that they write.

    Equally on all characters of a token; that of a token which is only a space, half on the
    character before it and half on the one after.

    Args:
        cells: in logical order.
        doubts: by position of the token.

    Returns:
        the doubt of each cell, and the number of tokens that it stands for; 0 for spaces.
    """
    writers: list[list[int]] = [[] for _ in doubts]
    inked = [i for i, cell in enumerate(cells) if cell.word >= 0]
    for i in inked:
        for token in range(cells[i].first, cells[i].last + 1):
            writers[token].append(i)
    for i, cell in enumerate(cells):
        if cell.word < 0 and not writers[cell.first]:
            beside = bisect_left(inked, i)
            writers[cell.first] = inked[max(beside - 1, 0) : beside + 1]
    doubt, tokens = np.zeros(len(cells)), np.zeros(len(cells))
    for written, value in zip(writers, doubts, strict=True):
        for i in written:
            doubt[i] += value / len(written)
            tokens[i] += 1 / len(written)
    return doubt, tokens
