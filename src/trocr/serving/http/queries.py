"""What requests may ask for in their query, and how it becomes a task."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from ...errors import UsageError
from ...pages.selection import parse_selection
from ..messages import LineOptions
from ..settings import ServeSettings
from .negotiation import FORMATS

MAX_BEAMS = 32
# For readers of the document; what is none of these gets an answer that names them.
_AMONG: JsonDict = {"enum": [*FORMATS, None]}
_Entry = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class LineQuery(BaseModel):
    """How lines are read."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str | None = Field(
        None,
        max_length=500,
        description="One of `GET /v1/models`. Default: the first of them.",
        examples=["printed"],
    )
    num_beams: int | None = Field(
        None,
        ge=1,
        le=MAX_BEAMS,
        description="Width of the beam search; 1 is greedy. Default: as the model asks for.",
    )
    allow: str | None = Field(
        None,
        max_length=1000,
        description="Only these characters, e.g. `0-9./`.",
        examples=["0-9./"],
    )
    regex: str | None = Field(
        None,
        max_length=1000,
        description="Every line matches this pattern.",
        examples=["[0-9]{2}/[0-9]{2}/[0-9]{4}"],
    )
    lexicon: list[_Entry] = Field(
        [],
        max_length=1000,
        description="Every line is one of these texts.",
        examples=[["PAID", "OPEN"]],
    )
    seconds: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Until when the answer must be there.",
        examples=[20],
    )

    def options(self, settings: ServeSettings, *, words: bool, n_best: int = 1) -> LineOptions:
        """
        Raises:
            UsageError: there is no such model, or several rules at once.
        """
        rules = [name for name in ("allow", "regex", "lexicon") if getattr(self, name)]
        if len(rules) > 1:
            raise UsageError(
                f"{' and '.join(rules)} exclude each other.",
                "Use one; a regex can say what the others say.",
            )
        return LineOptions(
            model=self._known_model(settings.models),
            num_beams=self.num_beams,
            n_best=n_best,
            allow=self.allow,
            regex=self.regex,
            lexicon=tuple(self.lexicon) or None,
            words=words,
        )

    def deadline(self, most: float) -> float:
        """Seconds that were asked for, at most so many."""
        return min(self.seconds or most, most)

    def _known_model(self, names: tuple[str, ...]) -> str:
        if self.model is None:
            return names[0]
        if self.model not in names:
            raise UsageError(
                f"There is no model {self.model[:100]!r} here.", f"Choose among {', '.join(names)}."
            )
        return self.model


class LinesQuery(LineQuery):
    """How pictures of one line each are read."""

    n_best: int = Field(1, ge=1, le=MAX_BEAMS, description="Readings of each line.")
    words: bool = Field(False, description="Also the words, with boxes.")
    name: str | None = Field(None, max_length=1000, description="Of a file that is the body.")


class DocumentQuery(LineQuery):
    """How a file is read."""

    pages: str | None = Field(
        None,
        max_length=1000,
        description="Of the file, e.g. `1-3,7,-1`; -1 is the last.",
        examples=["1-3,7,-1"],
    )
    dpi: float | None = Field(
        None,
        gt=0,
        le=2400,
        description="At which PDF pages are drawn. Default: as each needs.",
        examples=[300],
    )
    keep_text: bool = Field(False, description="PDF pages that hold text are not read again.")
    words: bool | None = Field(
        None, description="Also the words, with boxes. Default: where the format has them."
    )
    name: str | None = Field(None, max_length=1000, description="Of a file that is the body.")

    def check_pages(self) -> None:
        """
        Raises:
            UsageError: `pages` is no selection.
        """
        parse_selection(self.pages)


class ReadQuery(DocumentQuery):
    """How a file is read, and what the answer is."""

    format: str | None = Field(
        None,
        max_length=100,
        description="Wins over the header Accept. Default: `json`.",
        json_schema_extra=_AMONG,
    )


class FormatQuery(BaseModel):
    """In which format a document is wanted."""

    model_config = ConfigDict(extra="forbid")
    format: str | None = Field(
        None,
        max_length=100,
        description="Wins over the header Accept.",
        json_schema_extra=_AMONG,
    )


LinesAsked = Annotated[LinesQuery, Query()]
DocumentAsked = Annotated[DocumentQuery, Query()]
ReadAsked = Annotated[ReadQuery, Query()]
FormatAsked = Annotated[FormatQuery, Query()]
