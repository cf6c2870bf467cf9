"""``trocr evaluate``: a model's scores on a labelled set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..bundled import bundled_folder
from ..errors import ImageError, RefusedError
from ..hub import resolve_folder
from . import console, scores
from .labelled import load_line_set
from .options import (
    DEFAULT_MODEL,
    BatchSize,
    Device,
    Format,
    Model,
    NumBeams,
    OutputFormat,
)

if TYPE_CHECKING:
    from ..evaluation.predictions import Predictions
    from ..labelled_lines import LabelledLine


class ProtocolName(str, Enum):
    """What counts as equal."""

    cer = "cer"
    iam = "iam"
    sroie = "sroie"
    sroie_image = "sroie-image"
    str = "str"
    str_36 = "str-36"
    str_62 = "str-62"
    str_94 = "str-94"


class UnicodeForm(str, Enum):
    """How characters with several spellings are written."""

    nfc = "NFC"
    nfkc = "NFKC"


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Labelled lines: a folder, an archive or a table, see docs/line-sets.md.",
        ),
    ],
    model: Model = DEFAULT_MODEL,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Compare with this model, or the texts of a --predictions FILE.tsv.",
        ),
    ] = None,
    from_predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Score the texts of this table instead of a model's."),
    ] = None,
    protocol: Annotated[
        ProtocolName, typer.Option(help="What counts as equal.")
    ] = ProtocolName.cer,
    normalize: Annotated[
        UnicodeForm | None,
        typer.Option(case_sensitive=False, help="Unicode form of both sides."),
    ] = None,
    ignore_accents: Annotated[
        bool, typer.Option("--ignore-accents", help="Drop combining marks: é is e.")
    ] = False,
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", help="Lower-case predictions and labels first.")
    ] = False,
    ignore_punctuation: Annotated[
        bool, typer.Option("--ignore-punctuation", help="Drop it, and collapse white space.")
    ] = False,
    collapse_spaces: Annotated[
        bool, typer.Option("--collapse-spaces", help="White space is one space, none at the ends.")
    ] = False,
    page_pattern: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX", help="Captures a line's page in its file's name: '(.*)_[^_]*$'."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write a table: file, label, prediction, confidence."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a web page with charts and lines."),
    ] = None,
    fail_over: Annotated[
        float | None,
        typer.Option(min=0, metavar="PERCENT", help="Exit with code 7 if the CER is higher."),
    ] = None,
    output: OutputFormat = Format.text,
    num_beams: NumBeams = None,
    device: Device = "auto",
    batch_size: BatchSize = 32,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Score the first N lines only.")
    ] = None,
) -> None:
    """Read a labelled set and score the texts.

    All scores are percentages, 0-100, with a 95 % interval; but for ece (expected calibration
    error, 0-1) and lines_per_second. cer_kept and aurc say what rejecting the least confident
    lines gains: the CER of the share that is kept, and its mean over all shares.

    \b
    Protocols:
      iam, cer     texts as they are (IAM)
      sroie        texts as they are (SROIE's word precision, recall and F1)
      sroie-image  the same, words matched over all lines of an image
      str-36, str  lower case, only 0-9 and a-z (scene text's exact match)
      str-62       only 0-9, a-z and A-Z
      str-94       only printable ASCII, no spaces

    A picture that cannot be read counts as an empty text; what has no label or no picture is
    skipped. Both are reported on standard error, and make the exit code 3.

    \b
    trocr evaluate labelled.tar.gz --protocol sroie --ignore-case --report scores.html
    trocr evaluate labelled/ --model runs/mine/model --against printed --format json
    trocr evaluate labelled/ --from-predictions other-program.tsv --fail-over 5
    """
    from ..evaluation.comparison import compare
    from ..evaluation.predictions import write_predictions
    from ..evaluation.protocols import scoring_protocol
    from ..evaluation.report import pages_for, score
    from ..evaluation.report_page import render
    from ..writers.files import write_atomically

    rules = scoring_protocol(
        protocol.value,
        unicode_form=normalize and normalize.value,
        ignore_accents=ignore_accents,
        ignore_case=ignore_case,
        ignore_punctuation=ignore_punctuation,
        collapse_spaces=collapse_spaces,
    )
    line_set = load_line_set(data, limit)
    lines, skipped = line_set.lines, len(line_set.skipped)
    pages = pages_for(lines, rules, page_pattern)
    source = _Source(lines, num_beams, device, batch_size)
    read_other = source.ready(against) if against else None
    read = source.of_file(from_predictions) if from_predictions else source.of_model(model)
    if predictions:
        write_predictions(predictions, lines, read)
    other = read_other() if read_other else None
    comparison = None
    if other:
        comparison = compare(lines, read, other, rules, pages=pages, skipped=skipped)
        found = comparison.model
    else:
        found = score(lines, read, rules, pages=pages, skipped=skipped)
    formatted = scores.as_json if output is Format.json else scores.as_text
    print(formatted(data, found, comparison), flush=True)
    if report:
        page = render(data.resolve().name, lines, read, found, rules, comparison)
        write_atomically(report, page.encode())
    if fail_over is not None and found.cer > fail_over:
        raise RefusedError(
            f"The CER of {found.model}, {found.cer:.2f} %, is over {fail_over:g} %.",
            "Where the errors are: see --report.",
        )
    if skipped or read.unreadable or (other and other.unreadable):
        raise typer.Exit(ImageError.exit_code)


@dataclass(frozen=True)
class _Source:
    """Where the texts of lines come from."""

    lines: list[LabelledLine]
    num_beams: int | None
    device: str
    batch_size: int

    def of_model(self, name: str) -> Predictions:
        """Read with a progress bar; pictures that cannot be read are reported as they come."""
        from ..evaluation.runner import read_lines
        from ..recognizer import load

        reader = load(name, self.device)
        with console.Bar(len(self.lines)) as bar:
            return read_lines(
                reader,
                self.lines,
                batch_size=self.batch_size,
                num_beams=self.num_beams,
                on_reading=bar.passed,
            )

    def of_file(self, path: Path) -> Predictions:
        from ..evaluation.predictions import read_predictions

        return read_predictions(path, self.lines)

    def ready(self, name: str) -> Callable[[], Predictions]:
        """What gives the texts of a table or a model that is known to be there.

        Raises:
            DataError, CheckpointError: it cannot be read, or is not there.
        """
        if name.endswith(".tsv"):
            found = self.of_file(Path(name))
            return lambda: found
        if not bundled_folder(name):
            resolve_folder(name)
        return partial(self.of_model, name)
