"""What a person says about the lines of a job."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ...corrections.lines import plain
from ..folders import line_name

MAX_LINES = 100_000
MAX_TEXT = 10_000


class CorrectedLine(BaseModel):
    """A line, named by its page and its number there in reading order, from 1."""

    model_config = ConfigDict(extra="forbid")
    page: int = Field(ge=1, le=10**9)
    line: int = Field(ge=1, le=10**9)
    read: str = Field(max_length=MAX_TEXT, description="The text as it was read.")
    text: str = Field(max_length=MAX_TEXT, description="What the line says.")
    mark: Literal["", "ok", "not-text", "skip"] = Field(
        "", description="What was decided; a changed text is right without."
    )


class Corrections(BaseModel):
    """All corrections of a job."""

    model_config = ConfigDict(extra="forbid")
    lines: list[CorrectedLine] = Field(max_length=MAX_LINES)


def table(corrections: Corrections) -> str:
    """As a ``corrections.tsv``; empty if nothing was corrected."""
    if not corrections.lines:
        return ""
    rows = [
        (line_name(each.page, each.line), plain(each.read), plain(each.text), each.mark)
        for each in corrections.lines
    ]
    return "".join("\t".join(row) + "\n" for row in (("line", "read", "text", "mark"), *rows))
