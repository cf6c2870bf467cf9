"""Strings without sense: every character, runs, look-alikes, separators."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from .text_corpora import Language

_RULES = "- = * _ . # ~ + : / \\ | -= *- -. .- ~-".split(" ")
_ALIKE = (
    "Il1|!i", "O0oQD", "5S$s", "8B&", "2Zz", "6Gb", "9gq", "4A", "7T", "uvUVnr", "cC(<", "xX×",
    "'`´’‘‚", ",.;:", "-–—−_", "\"“”„″''", "rnm", "clda", "vwW", "e¢€c", "ïîíìi", "ëêéèe", "äâáàãåa",
    "öôóòõøo", "üûúùu", "çc¸", "ñn", "ß8B", "æœ", "°º˚oª", "kK", "pP", "<«‹", ">»›", "{([", "})]", "/\\|",
    "·•.*", "tf", "hb", "yvg", "mM", "jiy",
)  # fmt: skip
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PUNCTUATION = "".join(sorted(set(_ASCII) - set(_ALNUM)))
_RUNS = ("...", "....", "......", "!!", "!!!", "???", "?!", "**", "***", "--", "---", "//", "::", "==", "((", "))",
         "&&", "||", "##", "%%", "$$", ">>", "<<", "->", "<-", "=>", "+/-", "..", ",,", "''", '""', "__")  # fmt: skip


def draw_marks(rng: Random, language: Language, characters: Sequence[str]) -> str:
    """One string; ``characters`` are what may occur in it."""
    chance = rng.random()
    if chance < 0.2:
        return _separator(rng)
    if chance < 0.45:
        return _groups(rng, rng.choice((_ASCII, _ALNUM, _ALNUM, "0123456789", _PUNCTUATION)))
    if chance < 0.6:
        return _groups(rng, rng.choice(_ALIKE) + rng.choice(_ALIKE))
    if chance < 0.72:
        return _groups(rng, characters)
    if chance < 0.8:
        return _stuttered(rng, language)
    return _salted(rng, language, characters)


def _separator(rng: Random) -> str:
    """A rule made of characters, alone or around a word."""
    unit = rng.choice(_RULES)
    spaced = " " if rng.random() < 0.15 else ""
    rule = spaced.join(
        [unit] * rng.choice((rng.randint(2, 8), rng.randint(5, 40), rng.randint(5, 60)))
    )
    if rng.random() < 0.75:
        return rule
    half = rule[: len(rule) // 2]
    return (
        half + rng.choice((" ", "")) + rng.choice(("TOTAL", "*", "o", "1", "END", "A")) + " " + half
    )


def _groups(rng: Random, characters: Sequence[str]) -> str:
    lengths = (
        rng.choice((1, 2, 3, rng.randint(1, 12))) for _ in range(rng.choice((1, 1, 2, 3, 5)))
    )
    return " ".join("".join(rng.choices(characters, k=length)) for length in lengths)


def _stuttered(rng: Random, language: Language) -> str:
    """Words with a character or the word itself said again, which a reader must not correct."""
    words = [language.words[int(2000 * rng.random())] for _ in range(rng.randint(1, 4))]
    position = rng.randrange(len(words))
    word = words[position]
    if rng.random() < 0.5:
        words.insert(position, word)
    else:
        letter = rng.randrange(len(word))
        words[position] = word[:letter] + word[letter] * rng.randint(2, 5) + word[letter + 1 :]
    return " ".join(words)


def _salted(rng: Random, language: Language, characters: Sequence[str]) -> str:
    """Words among which any character occurs: inside, at an end, alone, or a run of marks."""
    words = [
        language.words[int(len(language.words) * rng.random() ** 2)]
        for _ in range(rng.randint(1, 5))
    ]
    for _ in range(rng.randint(1, 3)):
        position = rng.randrange(len(words))
        word, mark = words[position], rng.choice(characters)
        if rng.random() < 0.3:
            mark = rng.choice(_RUNS)
        where = rng.choice((0, len(word), len(word), rng.randint(0, len(word))))
        if rng.random() < 0.25:
            words.insert(position, mark)
        else:
            words[position] = word[:where] + mark + word[where:]
    return " ".join(words)
