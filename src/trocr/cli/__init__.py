"""The ``trocr`` command: one module a verb, which imports what it needs when it runs.

Exit codes: 0 fine, 1 unexpected, 2 usage, 3 some pictures could not be read, 4 model, 5 data set,
6 output, 7 refused, 130 interrupted.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from .. import __version__
from ..errors import TrOCRError
from . import (
    batch,
    bench,
    calibrate,
    console,
    doctor,
    evaluate,
    export,
    finetune,
    label,
    models,
    optimize,
    publish,
    read,
    serve,
    synth,
    train,
)

EXIT_CODES = """\b
Exit codes:
  0  fine
  1  something unexpected
  2  wrong usage
  3  some pictures could not be read (the others were)
  4  the model cannot be loaded
  5  the labelled set, or the boxes, cannot be read
  6  the output cannot be written
  7  a change was measured, found worse or no better, and not made; or a score is worse than allowed
"""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)
VERBS = (
    read.read,
    batch.batch,
    label.label,
    evaluate.evaluate,
    models.models,
    doctor.doctor,
    train.train,
    finetune.finetune,
    synth.synth,
    calibrate.calibrate,
    export.export,
    publish.publish,
    bench.bench,
    serve.serve,
)
for verb in VERBS:
    app.command()(verb)
app.add_typer(optimize.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"trocr {__version__}")
        raise typer.Exit()


@app.callback()
def trocr(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Read pages, offline, with a model that comes with the package.

    \b
    trocr read receipt.jpg
    trocr read scans/ -o out/ --format txt,pdf
    trocr evaluate labelled.tar.gz --protocol sroie --ignore-case
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # File names need not be valid UTF-8; they come out as the bytes they are.
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        app(arguments, prog_name="trocr")
    except TrOCRError as error:
        console.report(error)
        sys.exit(error.exit_code)
