"""Rendered lines in two alphabets, from Debian's fonts and fortunes; see `finetuning.py`."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
from fontTools.ttLib import TTFont

from trocr.errors import DataError
from trocr.labelled_lines import LabelledLine
from trocr.training.synthetic.fonts import Face
from trocr.training.synthetic.lines import SyntheticLines

FONTS = Path("/usr/share/fonts")
FAMILIES = {
    "train": (
        *("DejaVuSans", "DejaVuSerif", "LiberationSans", "LiberationMono", "FreeSerif", "FreeMono"),
        *("LinLibertine_R", "Roboto", "OpenSans", "Cousine", "Arimo", "Play", "cmunrm", "cmuntt"),
    ),
    "test": ("LiberationSerif", "FreeSans", "OldStandard", "Tinos", "Jura", "cmunss"),
}
TEXTS = Path("/usr/share/games/fortunes")
LANGUAGES = {
    "ru": ("ru/[0-9]*[0-9]", re.compile("[А-яЁё]")),
    "en": ("[a-z]*[a-z]", re.compile("[A-Za-z]")),
}
SHORTEST, LONGEST = 3, 60  # characters
NEEDED = frozenset('Пример, съешь ещё этих мягких 0123456789 Quick brown fox.!?:;-"()')


class Fortunes:
    """Pieces of lines of fortunes that are mostly in one alphabet."""

    def __init__(self, language: str, part: str) -> None:
        pattern, letter = LANGUAGES[language]
        files = [path for path in sorted(TEXTS.glob(pattern)) if path.is_file()]
        lines = [
            " ".join(line.split())
            for path in files
            for line in path.read_text(encoding="utf-8", errors="ignore").splitlines()
        ]
        lines = [
            line
            for line in lines
            if len(letter.findall(line)) > len(line) / 2 and not line.startswith("--")
        ]
        if not lines:
            raise DataError(f"There is no {language} in {TEXTS}.", "apt-get install fortunes-ru")
        self.lines = lines[: len(lines) // 2] if part == "train" else lines[len(lines) // 2 :]

    def draw(self, generator: np.random.Generator) -> str:
        words = self.lines[int(generator.integers(len(self.lines)))].split()
        first = int(generator.integers(len(words)))
        text = " ".join(words[first:])[: int(generator.integers(SHORTEST, LONGEST))]
        return text.strip() or words[0][:LONGEST]


def cyrillic_lines(language: str, count: int, part: str) -> list[LabelledLine]:
    """Rendered lines of a language; the faces and texts of ``part`` are in no other part."""
    source = SyntheticLines(_faces(part), Fortunes(language, part), seed=7)
    lines = map(source.line, range(count))
    return [
        LabelledLine.of(f"{language}{number // 25:03}_{number:05}", grey, text)
        for number, (grey, text) in enumerate(lines)
        if text
    ]


@cache
def _faces(part: str) -> tuple[Face, ...]:
    faces = []
    for path in sorted([*FONTS.rglob("*.ttf"), *FONTS.rglob("*.otf")]):
        family = next((name for name in FAMILIES[part] if path.stem.startswith(name)), None)
        if family:
            characters = frozenset(map(chr, TTFont(path, fontNumber=0)["cmap"].getBestCmap()))
            if characters >= NEEDED:
                faces.append(Face(path, family, "print", False, characters))
    if not faces:
        raise DataError(f"There are no Cyrillic fonts in {FONTS}.", "apt-get install fonts-dejavu")
    return tuple(faces)
