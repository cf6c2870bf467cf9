"""``trocr evaluate``: a model's scores on a labelled set."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ImageError
from . import console
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
    from ..evaluation.protocols import ScoringProtocol
    from ..evaluation.runner import Report
    from ..labelled_lines import LabelledLine
    from ..recognizer import Recognizer


class ProtocolName(str, Enum):
    """What counts as equal."""

    cer = "cer"
    sroie = "sroie"
    str = "str"


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Folder, .tar or .tar.gz with labels.tsv (file, text) and pictures.",
        ),
    ],
    model: Model = DEFAULT_MODEL,
    protocol: Annotated[
        ProtocolName, typer.Option(help="What counts as equal.")
    ] = ProtocolName.cer,
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", help="Lower-case predictions and labels first.")
    ] = False,
    output: OutputFormat = Format.text,
    num_beams: NumBeams = 1,
    device: Device = "auto",
    batch_size: BatchSize = 32,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Score the first N lines only.")
    ] = None,
) -> None:
    """Read a labelled set and score the texts.

    All scores are percentages, 0-100, but for ece (expected calibration error, 0-1) and
    lines_per_second. cer_kept and aurc say what rejecting the least confident lines gains: the CER
    of the share that is kept, and its mean over all shares.

    \b
    Protocols:
      cer    texts as they are (IAM)
      sroie  texts as they are (SROIE's word precision, recall and F1)
      str    lower case, only 0-9 and a-z (scene text's exact match)

    A picture that cannot be read counts as an empty text, is reported on standard error, and makes
    the exit code 3.

    \b
    trocr evaluate labelled.tar.gz --protocol sroie --ignore-case
    trocr evaluate labelled/ --model runs/printed/model --format json
    """
    from ..evaluation.protocols import scoring_protocol
    from ..evaluation.runner import load_lines
    from ..recognizer import load

    rules = scoring_protocol(protocol.value, ignore_case=ignore_case)
    lines = load_lines(data, limit)
    reader = load(model, device)
    report = _score(reader, lines, rules, batch_size=batch_size, num_beams=num_beams)
    print(_formatted(report, data, output), flush=True)
    if report.unreadable:
        raise typer.Exit(ImageError.exit_code)


def _score(
    reader: Recognizer, lines: list[LabelledLine], rules: ScoringProtocol, **options: int
) -> Report:
    """Score with a progress bar; pictures that cannot be read are reported as they come."""
    from ..evaluation.runner import evaluate as run

    with console.Bar(len(lines)) as bar:
        return run(reader, lines, rules, on_reading=bar.passed, **options)


def _formatted(report: Report, data: Path, output: Format) -> str:
    values: dict[str, Any] = {"data": str(data), **asdict(report)}
    if output is Format.json:
        return console.json_line({key: _rounded(value) for key, value in values.items()})
    return "\n".join(f"{key:<16}  {_in_words(key, value)}" for key, value in values.items())


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def _in_words(key: str, value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{share} %: {cer:.2f}" for share, cer in value.items())
    if isinstance(value, float):
        return f"{value:.4f}" if key == "ece" else f"{value:.2f}"
    return str(value)
