"""Options that several verbs share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..bundled import DEFAULT_MODEL as DEFAULT_MODEL
from ..errors import UsageError

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
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Width of the beam search; 1 is greedy.  [default: as the model asks for]",
    ),
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
BoxFiles = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Where the lines are: PAGE, ALTO, JSON, or text with left top right bottom; "
        "or a folder of such files, named like what is read.",
    ),
]
Allow = Annotated[str | None, typer.Option(metavar="SET", help="Only these characters, e.g. 0-9./")]
Regex = Annotated[
    str | None, typer.Option(metavar="PATTERN", help="Every line matches this pattern.")
]
Lexicon = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Only the texts of this file, one a line.")
]
Template = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A Jinja template, for any other format.")
]
Layout = Annotated[
    bool, typer.Option("--layout", help="Text keeps columns and gaps as on the page.")
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


def rule_of(allow: str | None, regex: str | None, lexicon: Path | None) -> dict[str, Any]:
    """The one constraint that was given, as an argument of ``read_lines``.

    Raises:
        UsageError: several, or a lexicon that cannot be read.
    """
    given = {"allow": allow, "regex": regex, "lexicon": lexicon}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        raise UsageError(
            f"--{' and --'.join(given)} exclude each other.",
            "Use one; a regex can say what the others say.",
        )
    return given if lexicon is None else {"lexicon": _read_lexicon(lexicon)}


def _read_lexicon(path: Path) -> list[str]:
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"Cannot read the lexicon {path}: {error}.", "It is UTF-8 text, one entry a line."
        ) from None
    entries = [row.strip() for row in rows if row.strip()]
    if not entries:
        raise UsageError(f"The lexicon {path} is empty.", "Give one entry a line.")
    return entries
