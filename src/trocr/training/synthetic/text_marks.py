"""Strings without sense: every character, runs, look-alikes, separators."""

from __future__ import annotations

from random import Random

from .phrases import PHRASES
from .text_corpora import Language

_MARKS = PHRASES["marks"]
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_ALNUM = "".join(filter(str.isalnum, _ASCII))
_PUNCTUATION = "".join(character for character in _ASCII if not character.isalnum())
_SETS = (_ASCII, _ALNUM, _ALNUM, "0123456789", _PUNCTUATION)
_CENTRES = ("TOTAL", "*", "o", "1", "END", "A")


def draw_marks(rng: Random, language: Language, characters: str) -> str:
    """One string; ``characters`` are what may occur in it."""
    chance = rng.random()
    if chance < 0.2:
        return _separator(rng)
    if chance < 0.45:
        return _groups(rng, rng.choice(_SETS))
    if chance < 0.6:
        return _groups(rng, rng.choice(_MARKS["alike"]) + rng.choice(_MARKS["alike"]))
    if chance < 0.72:
        return _groups(rng, characters)
    if chance < 0.8:
        return _stuttered(rng, language)
    return _salted(rng, language, characters)


def _separator(rng: Random) -> str:
    """A rule made of characters, alone or around a word."""
    count = rng.randint(2, rng.choice((8, 40, 60)))
    rule = (" " if rng.random() < 0.15 else "").join([rng.choice(_MARKS["rules"])] * count)
    if rng.random() < 0.75:
        return rule
    half = rule[: len(rule) // 2]
    return f"{half}{rng.choice((' ', ''))}{rng.choice(_CENTRES)} {half}"


def _groups(rng: Random, characters: str) -> str:
    lengths = (
        rng.choice((1, 2, 3, rng.randint(1, 12))) for _ in range(rng.choice((1, 1, 2, 3, 5)))
    )
    return " ".join("".join(rng.choices(characters, k=length)) for length in lengths)


def _stuttered(rng: Random, language: Language) -> str:
    """Words with a letter or a word said again, which a reader must not correct."""
    words = rng.choices(language.words[:2000], k=rng.randint(1, 4))
    position = rng.randrange(len(words))
    word = words[position]
    if rng.random() < 0.5:
        words.insert(position, word)
    else:
        letter = rng.randrange(len(word))
        words[position] = word[:letter] + word[letter] * rng.randint(2, 5) + word[letter + 1 :]
    return " ".join(words)


def _salted(rng: Random, language: Language, characters: str) -> str:
    """Words among which any character occurs: inside, at an end, alone, or a run of marks."""
    count = len(language.words)
    words = [language.words[int(count * rng.random() ** 2)] for _ in range(rng.randint(1, 5))]
    for _ in range(rng.randint(1, 3)):
        position = rng.randrange(len(words))
        word = words[position]
        mark = rng.choice(characters) if rng.random() < 0.7 else rng.choice(_MARKS["runs"])
        if rng.random() < 0.25:
            words.insert(position, mark)
            continue
        where = rng.choice((0, len(word), len(word), rng.randint(0, len(word))))
        words[position] = word[:where] + mark + word[where:]
    return " ".join(words)
