"""What synthetic lines say: one label at a time, from prose, words, fields, receipts, letters."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import accumulate
from pathlib import Path
from random import Random

import numpy as np

from ...errors import DataError, UsageError
from ...labelled_lines import composed_line
from .phrases import PHRASES
from .text_corpora import Language, draw_prose, draw_words, read_language
from .text_fields import draw_field
from .text_letters import draw_letter
from .text_marks import draw_marks
from .text_notes import draw_note, label_of
from .text_receipts import draw_receipt

VOCABULARY = "".join(
    [
        *map(chr, range(0x20, 0x7F)),
        *(chr(code) for code in range(0xA1, 0x100) if code != 0xAD),
        *map(chr, range(0x100, 0x180)),
        "ȘșȚțẞ‘’‚“”„†‡•…‰‹›€™–—−→⋎№",
    ]
)
_OTHERS = ("de", "es", "it", "pt", "nl", "pl", "cs", "sv", "da", "nb", "fi", "hu", "ro", "tr")
LANGUAGES: Mapping[str, float] = {
    "en": 0.45,
    "fr": 0.25,
    **dict.fromkeys(_OTHERS, 0.3 / len(_OTHERS)),
}
KINDS: Mapping[str, float] = {
    "prose": 0.3,
    "notes": 0.03,
    "words": 0.12,
    "fields": 0.25,
    "receipt": 0.12,
    "random": 0.1,
    "historic": 0.08,
}
LONGEST = 100
_RAISED = re.compile(r"\^(?=\w)")  # the mark of a superscript, which letters alone have
_QUOTED = re.compile(r'"([^"]*)"')
_QUOTES = (r"“\1”", r"« \1 »", r"„\1“", r"‘\1’")
_CLOSE_MARK = re.compile(r"(?<=\w)([,.;:!?])")
_CURLED = {"'": "’", " - ": " – ", "--": "—", "...": "…"}
_STRAIGHT = str.maketrans(dict(zip("’‘“”„–—", '\'\'"""--', strict=True)) | {"…": "..."})
_STYLE = PHRASES["style"]


class TextSource:
    """Draws texts: NFC, stripped, single spaces, 1 to 100 characters.

    A caret before a letter or digit marks a superscript (``M^r``) and occurs in the kind
    ``"historic"`` only; any other caret is one. `NOTE` occurs in the kind ``"notes"`` only; see
    ``label_of``.

    Args:
        folder: the texts that ``scripts/collect-texts`` wrote. Another ``folder/LANGUAGE/NAME.txt``
            with a paragraph per line is read as prose too.
        kinds: weight of each of ``"prose"``, ``"notes"``, ``"words"``, ``"fields"``,
            ``"receipt"``, ``"random"`` and ``"historic"``; one that is left out is not drawn.
        languages: weight of each language, by its ISO 639-1 code. ``"historic"`` knows English
            and French only: it draws by the weights of these two, French where both are 0.
        characters: the only characters that labels hold.

    Raises:
        UsageError: an unknown kind, no positive weight.
        DataError: the folder has no texts of a language, or no prose at all.
    """

    def __init__(
        self,
        folder: Path,
        kinds: Mapping[str, float] = KINDS,
        languages: Mapping[str, float] = LANGUAGES,
        characters: Collection[str] = VOCABULARY,
    ) -> None:
        unknown = set(kinds) - set(KINDS)
        if unknown or sum(kinds.values()) <= 0 or sum(languages.values()) <= 0:
            raise UsageError(
                f"No texts of kinds {dict(kinds)} in languages {dict(languages)}.",
                f"Kinds: {', '.join(KINDS)}; weights are positive.",
            )
        self._kinds = tuple(kinds)
        self._kind_weights = tuple(accumulate(kinds.values()))
        read = {code: read_language(folder, code) for code, weight in languages.items() if weight}
        self._languages = _Weighted(read, languages)
        self._writing = _Weighted(
            {code: read[code] for code in read if read[code].prose}, languages
        )
        of_letters = {code: read[code] for code in read if code in ("en", "fr")}
        self._letters = _Weighted(of_letters or read, languages)
        if not self._writing.languages:
            raise DataError(f"{folder} has no prose.", "Run scripts/collect-texts FOLDER again.")
        self._allowed = frozenset(characters) | {" "}
        self._characters = "".join(sorted(set(characters) - {" "}))

    def draw(self, generator: np.random.Generator) -> str:
        """One text; depends on the state of the generator only."""
        rng = Random(int(generator.integers(1 << 62)))
        while True:
            (kind,) = rng.choices(self._kinds, cum_weights=self._kind_weights)
            label = _one_line(self._draw(kind, rng))
            if not label or not self._allowed.issuperset(label_of(label)):
                continue
            if kind == "historic" or not _RAISED.search(label):
                return label

    def _draw(self, kind: str, rng: Random) -> str:
        if kind == "prose":
            return self._prose(rng)
        if kind == "notes":
            return draw_note(rng, self._prose(rng))
        if kind == "historic":
            language = self._letters.draw(rng)
            prose = language if language.prose else self._writing.draw(rng)
            return draw_letter(rng, language, prose)
        language = self._languages.draw(rng)
        if kind == "words":
            return _in_some_case(rng, _styled(rng, draw_words(rng, language)))
        if kind == "fields":
            return _in_some_case(rng, draw_field(rng, language))
        if kind == "receipt":
            return draw_receipt(rng, language)
        return draw_marks(rng, language, self._characters)

    def _prose(self, rng: Random) -> str:
        return _in_some_case(rng, _styled(rng, draw_prose(rng, self._writing.draw(rng))))


class _Weighted:
    """Languages, drawn by weight."""

    def __init__(self, languages: Mapping[str, Language], weights: Mapping[str, float]) -> None:
        self.languages = tuple(languages.values())
        self._weights = tuple(accumulate(weights[code] for code in languages))

    def draw(self, rng: Random) -> Language:
        (language,) = rng.choices(self.languages, cum_weights=self._weights)
        return language


def _in_some_case(rng: Random, line: str) -> str:
    """70 % as written, 12 % in capitals, 8 % in title case, 10 % in small letters."""
    chance = rng.random()
    if chance < 0.7:
        return line
    if chance < 0.82:
        return line.upper()
    return line.title() if chance < 0.9 else line.lower()


def _styled(rng: Random, line: str) -> str:
    """Quotes, apostrophes and dashes of one or another hand; marks before and after a line."""
    chance = rng.random()
    if chance < 0.2:
        for plain, curled in _CURLED.items():
            line = line.replace(plain, curled)
        line = _QUOTED.sub(rng.choice(_QUOTES), line)
    elif chance < 0.4:
        line = line.translate(_STRAIGHT)
    elif chance < 0.42:
        line = _CLOSE_MARK.sub(r" \1", line)
    chance = rng.random()
    if chance < 0.05:
        return f"{rng.choice(_STYLE['before'])}{line}"
    if chance < 0.08:
        return str(rng.choice(_STYLE["around"])).format(line)
    return line if chance < 0.94 else f"{line}{rng.choice(_STYLE['after'])}"


def _one_line(text: str) -> str:
    """Normalised to NFC, spaces single, cut at a space so that it is not too long."""
    line = composed_line(text)
    if len(line) <= LONGEST:
        return line
    return line[: line.rfind(" ", 0, LONGEST + 1)] if " " in line[: LONGEST + 1] else line[:LONGEST]
