"""What some formats need besides the document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

    Pictures = Sequence[Image.Image] | Callable[[int], Image.Image]
else:
    Pictures = object


@dataclass(frozen=True)
class Options:
    """Settings of the writers; each uses those that concern it.

    Attributes:
        pages: the pictures of the pages, in the document's order, or a function from page number
            to picture. ``overlay`` and ``html`` show them; ``pdf`` does where there is no original.
        original: the file that was read, a picture or a PDF, as a path or its bytes: ``pdf`` keeps
            it as it is and adds the text. By default the file called `Document.source`.
        password: of an original that is an encrypted PDF.
        layout: ``txt`` keeps columns and gaps by position.
        template: the file of a Jinja template.
    """

    pages: Pictures | None = None
    original: str | Path | bytes | None = None
    password: str | None = None
    layout: bool = False
    template: str | Path | None = None
