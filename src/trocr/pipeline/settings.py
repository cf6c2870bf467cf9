"""How pages are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .boxes import Boxes


@dataclass(frozen=True)
class Settings:
    """The arguments of `read` that concern pages and lines.

    Attributes:
        detector: what finds lines, see ``trocr.layout.find_lines``.
        boxes: where the lines are, instead of a detector.
        lines: every picture is one line; nothing is searched for.
        keep_text: pages of PDFs that hold text are not read; their text is taken.
        words: find boxes and confidences of words and characters.
        batch_size, num_beams, allow, regex, lexicon: as of ``Recognizer.read_lines``.
    """

    detector: str = "auto"
    boxes: Boxes | None = None
    lines: bool = False
    keep_text: bool = False
    words: bool = True
    batch_size: int = 32
    num_beams: int | None = None
    allow: str | None = None
    regex: str | None = None
    lexicon: Sequence[str] | None = None

    @property
    def of_lines(self) -> dict[str, Any]:
        """Arguments of ``Recognizer.read_lines``."""
        names = ("batch_size", "num_beams", "allow", "regex", "lexicon", "words")
        return {name: getattr(self, name) for name in names}
