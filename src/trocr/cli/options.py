"""Options that several verbs share."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ..bundled import DEFAULT_MODEL as DEFAULT_MODEL

if TYPE_CHECKING:
    from ..recognizer import Recognizer


class Format(str, Enum):
    """How results are written to standard output."""

    text = "text"
    json = "json"


Model = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="A bundled model (see `trocr models`), a folder, or a hub id."
    ),
]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda, cuda:1, …")]
OutputFormat = Annotated[Format, typer.Option("--format", help="How results are written.")]
NumBeams = Annotated[
    int, typer.Option(min=1, metavar="N", help="Width of the beam search; 1 is greedy.")
]
BatchSize = Annotated[int, typer.Option(min=1, metavar="N", help="Lines in one pass of the model.")]


class ChosenModel(NamedTuple):
    """What reads: the arguments of ``trocr.load``."""

    name: str
    device: str
    draft: str | None = None

    def load(self) -> Recognizer:
        from ..recognizer import load

        return load(self.name, self.device, draft=self.draft)
