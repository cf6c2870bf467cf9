"""Text lines without end: each a function of a seed and its number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from PIL import Image

from ..blank import blank_crop
from .degrade import captured, worn_ink
from .manner import TYPEWRITER
from .paper import put_on_paper
from .render import render_line
from .text_notes import NOTE, label_of

if TYPE_CHECKING:
    from .fonts import Face

REDRAWS = 8  # texts tried before the characters that a face lacks are dropped
# A tenth of all families, yet receipts and typescripts are set in nothing else.
TYPED = re.compile("mono|code|courier|cousine|elite|inconsolata|lekton|anonymous-pro|vt323|fixed")
TYPED_SHARE, TYPEWRITER_SHARE = 0.2, 0.1
UPRIGHT_SHARE = 0.6  # of the typed lines whose face is drawn again if it is an italic
LOUD = re.compile(r"(?=(?:[^A-Z]*[A-Z]){7})[^a-z]*$")
CALMED_SHARE = 0.7  # of the texts in capitals, which few script faces can write legibly
BLANK_HEIGHTS = (20, 65)  # pixels
Item = TypeVar("Item")
LINE_SIGNS = frozenset(f" ^{NOTE}")  # need no glyph: a gap, and the marks of superscripts


class Texts(Protocol):
    """Where labels come from; ``TextSource`` is one."""

    def draw(self, generator: np.random.Generator) -> str: ...


class SyntheticLines:
    """Line pictures and their labels.

    ``case_blind`` is False: the labels have the case of the pictures.

    Args:
        faces: what the lines are set in.
        texts: what the lines say.
        seed: with a line's number it decides everything about that line.
        blank_share: share of pictures without text, labelled "".
    """

    case_blind = False

    def __init__(
        self, faces: Sequence[Face], texts: Texts, seed: int, blank_share: float = 0.0
    ) -> None:
        families: dict[str, list[Face]] = {}
        for face in faces:
            families.setdefault(face.family, []).append(face)
        self.families = list(families.values())
        self.typed = [group for name, group in families.items() if TYPED.search(name)]
        self.typewriters = [group for name, group in families.items() if TYPEWRITER.search(name)]
        self.texts = texts
        self.seed = seed
        self.blank_share = blank_share

    def line(self, index: int) -> tuple[Image.Image, str]:
        """Line number ``index``: a grey picture and its label, always the same ones."""
        return self.draw(np.random.default_rng((self.seed, index)))

    def draw(self, generator: np.random.Generator) -> tuple[Image.Image, str]:
        """A grey picture, 0-255, and its label, decided by ``generator`` alone."""
        if generator.random() < self.blank_share:
            return blank_crop(BLANK_HEIGHTS, generator), ""
        face = self._face(generator)
        text = self._text(face, generator)
        if not text:
            return blank_crop(BLANK_HEIGHTS, generator), ""
        mask = render_line(text, face, generator)
        if face.kind == "print":
            mask = worn_ink(mask, generator)
        grey = captured(put_on_paper(mask, face.kind, generator), face.kind, generator)
        return Image.fromarray(grey), label_of(text)

    def _face(self, generator: np.random.Generator) -> Face:
        """Families are drawn alike, whatever the number of their faces."""
        chance = generator.random()
        if self.typewriters and chance < TYPEWRITER_SHARE:
            family = _one(self.typewriters, generator)
        elif self.typed and chance < TYPEWRITER_SHARE + TYPED_SHARE:
            family = _one(self.typed, generator)
        else:
            return _one(_one(self.families, generator), generator)
        face = _one(family, generator)
        if "italic" in face.path.stem and generator.random() < UPRIGHT_SHARE:
            face = _one(family, generator)
        return face

    def _text(self, face: Face, generator: np.random.Generator) -> str:
        """A text that the face has every character of, "" if it has none of them."""
        for _ in range(REDRAWS):
            text = self.texts.draw(generator)
            if face.caps_only:
                text = text.upper()
            elif face.kind == "hand" and LOUD.match(text) and generator.random() < CALMED_SHARE:
                text = text.title()
            if not set(text) - face.characters - LINE_SIGNS:
                return text
        kept = (sign for sign in text if sign in face.characters or sign in LINE_SIGNS)
        return " ".join("".join(kept).split())


def _one(items: Sequence[Item], generator: np.random.Generator) -> Item:
    return items[int(generator.integers(len(items)))]
