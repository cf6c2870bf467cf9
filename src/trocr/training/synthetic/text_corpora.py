"""Running prose and single words, from the corpora that ``scripts/collect-texts`` wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random

from ...errors import DataError

_LARGEST_SHARE = 0.25  # of one corpus in the prose of its language, where there are enough
_RARE_WORDS = 1.8  # the rank of a word is drawn as count * u ** this; 1 would be uniform
_SEPARATORS = (
    ", ",
    ", ",
    " - ",
    "-",
    " / ",
    "/",
    "; ",
    " & ",
    " + ",
    " – ",
    " | ",
    ". ",
    "_",
    " • ",
)


@dataclass(frozen=True)
class Language:
    """What is known of one language.

    Attributes:
        code: ISO 639-1.
        prose: one string per corpus, paragraphs separated by line feeds.
        weights: cumulative weights of the corpora.
        words: the most frequent first.
        fields: values by name: ``"name"``, ``"address"``, ``"city"``, ``"company"``, ...
    """

    code: str
    prose: tuple[str, ...]
    weights: tuple[float, ...]
    words: tuple[str, ...]
    fields: dict[str, list[str]]


def read_language(folder: Path, code: str) -> Language:
    """Read ``folder/code``.

    Raises:
        DataError: the folder has no words or no fields of this language.
    """
    place = folder / code
    try:
        words = (place / "words.list").read_text(encoding="utf-8").split()
        fields = json.loads((place / "fields.json").read_text(encoding="utf-8"))
        prose = [path.read_text(encoding="utf-8") for path in sorted(place.glob("*.txt"))]
    except (OSError, ValueError) as error:
        raise DataError(
            f"Cannot read the texts of {code!r} in {folder}: {error}.",
            "Run scripts/collect-texts FOLDER first.",
        ) from None
    sizes = [len(text) ** 0.5 for text in prose]
    capped = [min(size, _LARGEST_SHARE * sum(sizes)) for size in sizes]
    return Language(code, tuple(prose), tuple(accumulate(capped)), tuple(words), fields)


def line_length(rng: Random) -> int:
    """Characters of a line: some short, most 15 to 60, a tail to 100."""
    chance = rng.random()
    if chance < 0.18:
        return rng.randint(1, 14)
    return rng.randint(15, 60) if chance < 0.82 else rng.randint(61, 100)


def draw_prose(rng: Random, language: Language) -> str:
    """A piece of a paragraph between two spaces, sometimes hyphenated at its end."""
    (text,) = rng.choices(language.prose, cum_weights=language.weights)
    length = line_length(rng)
    start = rng.randrange(max(len(text) - length - 60, 1))
    window = text[start : start + length + 60]
    piece = max(window[window.find(" ") + 1 : window.rfind(" ")].split("\n"), key=len)
    if len(piece) <= length:
        return piece
    if rng.random() < 0.06 and piece[max(length - 3, 0) : length + 3].isalpha():
        return piece[:length] + "-"
    end = piece.rfind(" ", 0, length + 1)
    return piece[:end] if end > 0 else piece.partition(" ")[0]


def draw_words(rng: Random, language: Language) -> str:
    """Words until the line is long enough; rare ones occur often, separators vary."""
    words, target = language.words, line_length(rng)
    chosen: list[str] = []
    while target > 0:
        chosen.append(words[int(len(words) * rng.random() ** _RARE_WORDS)])
        target -= len(chosen[-1]) + 1
    line = (" " if rng.random() < 0.75 else rng.choice(_SEPARATORS)).join(chosen)
    if rng.random() < 0.3:
        line = line[0].upper() + line[1:] + rng.choice(".,:;?!")
    return line
