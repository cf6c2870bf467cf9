"""Which columns of a table hold pictures, labels and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

FILE = ("file", "file_name", "filename", "image", "image_path", "path")
TEXT = ("text", "transcription", "ground_truth", "gt", "sentence", "label")
PAGE = ("document", "document_id", "doc_id", "page", "page_id")  # the larger unit first
PREDICTIONS = ("file", "label", "prediction", "confidence")  # copies labels from where they are

NEEDED = f"a column of pictures ({', '.join(FILE)}) and one of texts ({', '.join(TEXT)})"


def called(known: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names that are known, in any case, the best known first."""
    found = {name.strip().lower(): name for name in reversed(names)}
    return [found[name] for name in known if name in found]


class Columns(NamedTuple):
    """Names of a table's columns as the table has them."""

    file: str
    text: str
    pages: tuple[str, ...] = ()

    @classmethod
    def among(cls, names: Sequence[str]) -> Columns | None:
        """The columns that count, in any case; None where one that is needed is not there."""
        files, texts = called(FILE, names), called(TEXT, names)
        return cls(files[0], texts[0], tuple(called(PAGE, names))) if files and texts else None

    def page(self, row: Mapping[str, Any]) -> str | None:
        """The page that a row names; None where it names none."""
        parts = [str(row[name]).strip() for name in self.pages if row.get(name) is not None]
        return "/".join(filter(None, parts)) or None
