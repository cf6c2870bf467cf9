"""Lines of French and English letters, wills and minutes of about 1830 to 1960.

A caret before a letter or digit says that what follows it, up to the next character that is
neither, stands raised: ``M^r``, ``20^e``. The caret itself is not on the paper.
"""

from __future__ import annotations

from random import Random

from .phrases import PHRASES
from .text_corpora import Language, draw_prose, line_length

_LETTERS = PHRASES["letters"]
_JOINTS = (" ", " ", ", ", ". ", "; ")


def draw_letter(rng: Random, language: Language, prose: Language) -> str:
    """One line: English of an English language, French of any other.

    Args:
        rng: where chance comes from.
        language: gives the names and addresses.
        prose: gives the running text that abbreviations are put into.
    """
    phrases = _LETTERS["en" if language.code == "en" else "fr"]
    chance = rng.random()
    if chance < 0.14:
        line: str = rng.choice(phrases["datelines"])
    elif chance < 0.2:
        line = rng.choice(phrases["greetings"])
    elif chance < 0.26:
        line = rng.choice(phrases["closings"])
    elif chance < 0.55:
        line = _running(rng, phrases["pieces"])
    elif chance < 0.92:
        line = _abbreviated(rng, phrases["abbreviations"], draw_prose(rng, prose))
    else:
        line = f"{rng.choice(phrases['titles'])}{{n}}{rng.choice(phrases['ends'])}"
    return _as_written(rng, _completed(rng, line, phrases, language))


def _running(rng: Random, pieces: list[str]) -> str:
    """Set phrases one after the other, until the line is long enough."""
    line, target = rng.choice(pieces), max(line_length(rng), 12)
    while len(line) < target:
        line += rng.choice(_JOINTS) + rng.choice(pieces)
    return line


def _abbreviated(rng: Random, abbreviations: list[str], line: str) -> str:
    """Prose with one or two abbreviations among its words."""
    words = line.replace("{", "").replace("}", "").split(" ")
    for _ in range(rng.randint(1, 2)):
        short = rng.choice(abbreviations) + rng.choice(("", "", "", ".", ","))
        words.insert(rng.randint(0, len(words)), short)
    return " ".join(words)


def _completed(rng: Random, line: str, phrases: dict[str, list[str]], language: Language) -> str:
    if "{" not in line:
        return line
    large = f"{rng.randint(1, 9)}.{rng.randint(100, 999)}"
    return line.format(
        t=rng.choice(phrases["towns"]),
        d=rng.randint(4, 30),
        m=rng.choice(phrases["months"]),
        y=rng.randint(1830, 1962),
        n=rng.choice(language.fields["name" if rng.random() < 0.5 else "last_name"]),
        a=rng.choice(language.fields["address"]),
        r=f"{rng.randint(2, 150)}^e",
        h=rng.randint(2, 12),
        k=rng.randint(0, 9),
        w=rng.choice(phrases["numbers"]),
        f=rng.choice((str(rng.randint(2, 90)), f"{rng.randint(1, 30)}00", large)),
        c=f"{rng.randint(0, 99):02}",
    )


def _as_written(rng: Random, line: str) -> str:
    """Marks of drafts: an opening quote or dash, a hyphen, an insertion, a curled apostrophe."""
    if rng.random() < 0.5:
        line = line.replace("'", "’")
    chance = rng.random()
    if chance < 0.05:
        return f"{rng.choice(_LETTERS['before'])}{line}"
    if chance < 0.1:
        return f"{line}{rng.choice(_LETTERS['after'])}"
    if chance < 0.12:
        words = line.split(" ")
        words.insert(rng.randint(0, len(words)), "⋎")
        return " ".join(words)
    return line
