"""What a person said about lines: the corrections file, a table like ``labels.tsv``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from ..errors import DataError
from ..labelled_lines import SkippedLine
from .lines import WorkLine, plain

# No column of pictures: a list that nobody has worked through must not pass for a labelled set.
COLUMNS = ("line", "confidence", "read", "text", "mark")
_REQUIRED = ("line", "read", "text")


class Mark(str, Enum):
    """What was decided about a line."""

    none = ""  # nothing, as long as the text is as read
    ok = "ok"  # the text is right
    not_text = "not-text"  # there is nothing to read
    skip = "skip"  # left undecided on purpose


@dataclass(frozen=True)
class Correction:
    """One row: the name of a ``line``, its text as it was ``read``, and what it says."""

    line: str
    read: str
    text: str
    mark: Mark = Mark.none

    @property
    def decision(self) -> Mark:
        """A changed text is right without a mark; nothing that is right is no text."""
        if self.mark is Mark.none and self.text != self.read:
            return Mark.ok if self.text else Mark.not_text
        return Mark.not_text if self.mark is Mark.ok and not self.text else self.mark


def read_corrections(path: Path) -> tuple[list[Correction], list[SkippedLine]]:
    """The rows in which something was decided, the last for each line; and malformed ones.

    Args:
        path: UTF-8, a header row, columns by tabs, nothing quoted. ``line``, ``read`` and ``text``
            have to be there, in any order; ``mark`` may be; others are passed over.

    Raises:
        DataError: it cannot be read, or lacks a column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}.", "Check its name.") from None
    header, *rows = [row.removesuffix("\r").split("\t") for row in text.split("\n")]
    if missing := [name for name in _REQUIRED if name not in header]:
        raise DataError(
            f"{path} has no column {', '.join(missing)}.",
            "Its first row names the columns, with tabs between them; see docs/labelling.md.",
        )
    found: dict[str, Correction] = {}
    skipped: list[SkippedLine] = []
    for number, row in enumerate(rows, start=2):
        if row in ([""], header):  # the header of another file put behind this one
            continue
        try:
            correction = _correction(dict(zip(header, row, strict=False)))
        except (KeyError, ValueError) as error:
            problem = f"There is no {error}." if isinstance(error, KeyError) else str(error)
            skipped.append(SkippedLine(f"{path}, row {number}", problem))
            continue
        if correction.decision in (Mark.ok, Mark.not_text):
            found[correction.line] = correction
    return list(found.values()), skipped


def _correction(cells: dict[str, str]) -> Correction:
    mark = cells.get("mark", "").strip().lower()
    if mark not in {each.value for each in Mark}:
        raise ValueError(f"There is no mark {mark!r}.")
    return Correction(cells["line"], plain(cells["read"]), plain(cells["text"]), Mark(mark))


def table(lines: Iterable[WorkLine]) -> str:
    """A corrections file in which nothing is decided yet."""
    rows = [
        (line.name, "" if line.confidence is None else f"{line.confidence:.4f}", line.text)
        for line in lines
    ]
    cells = [COLUMNS, *((*row, row[2], Mark.none.value) for row in rows)]
    return "".join("\t".join(row) + "\n" for row in cells)
