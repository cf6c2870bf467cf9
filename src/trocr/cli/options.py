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
Detector = Annotated[
    str, typer.Option(metavar="NAME", help="What finds the lines: auto, rapidocr or plain.")
]
Draft = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A small model that guesses what a large one will write: the same texts, sooner.",
    ),
]
Dtype = Annotated[str, typer.Option(metavar="NAME", help="auto, float32, bfloat16 or float16.")]
PageRanges = Annotated[
    str | None,
    typer.Option(metavar="RANGES", help="Of each file, e.g. 1-3,7,-1; -1 is the last."),
]
Password = Annotated[str | None, typer.Option(metavar="WORD", help="Of encrypted PDFs.")]
Dpi = Annotated[
    float | None,
    typer.Option(metavar="N", help="At which PDF pages are drawn. Default: as each needs."),
]
KeepText = Annotated[
    bool, typer.Option("--keep-text", help="PDF pages that hold text are not read again.")
]
SingleLines = Annotated[
    bool, typer.Option("--lines", help="Each picture is one line; nothing is searched for.")
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
