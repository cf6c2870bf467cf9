"""``trocr optimize quantize``: 8-bit weights where they read as well and faster."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..bundled import MODELS, bundled_folder
from ..errors import CheckpointError, ImageError, OutputError, UsageError
from ..hub import check_new_folder, resolve_folder
from . import console
from .labelled import load_lines

if TYPE_CHECKING:
    from ..labelled_lines import LabelledLine
    from ..optimize.quantize import Variant
    from ..stream import Reading


def quantize(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A folder; with -o also a bundled name.")
    ],
    data: Annotated[
        Path,
        typer.Option(metavar="LINES", help="Labelled set that the model was not trained on."),
    ],
    max_cer_increase: Annotated[
        float,
        typer.Option(min=0.0, metavar="POINTS", help="By how much the CER may rise, in percent."),
    ] = 0.1,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Use the first N lines only.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Leave MODEL; change a copy of it."),
    ] = None,
) -> None:
    """Let a model read with 8-bit weights on the CPU, if it stays as good and gets faster.

    The set is read with the model as it is, then with its decoder, its output projection and its
    encoder as 8-bit integers, each added to those that did well. Embeddings and norms stay as they
    are. Of the variants whose CER rises by no more than --max-cer-increase the fastest is noted in
    inference.json beside the weights, which stay as they are; whoever loads the folder with the
    dtype "auto" gets it. If none is faster and good enough, nothing is written and the exit code
    is 7.

    Printed for every variant: CER, percentage of lines read exactly as before, lines a second one
    by one and in batches of 32, and how many times as fast as the model as it is.

    \b
    trocr optimize quantize runs/mine/model --data validation
    trocr optimize quantize printed --data receipts -o printed-int8 --max-cer-increase 0.05
    """
    folder = _source(model, output)

    from ..engine.stored import store_int8
    from ..optimize.quantize import choose_int8

    lines = load_lines(data, limit)
    progress = _Progress(lines)
    with progress.bar:
        choice = choose_int8(
            folder,
            lines,
            max_cer_increase=max_cer_increase,
            on_reading=progress.passed,
            on_variant=progress.measured,
        )
    target = output or folder
    try:
        if output:
            shutil.copytree(folder, output, dirs_exist_ok=True)
        store_int8(target, choice.kept.int8, choice.to_dict())
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written to: {error.strerror}.", "Name another folder with -o."
        ) from None
    print(f"kept: {', '.join(choice.kept.int8)} ({target})", flush=True)
    if progress.unreadable:
        raise typer.Exit(ImageError.exit_code)


def _source(model: str, output: Path | None) -> Path:
    """The folder of ``model``, which will be changed unless there is an output."""
    folder = bundled_folder(model)
    if output is None and (folder or MODELS in Path(model).resolve().parents):
        raise UsageError(
            f"{model} is a bundled model, and those stay as they are.", "Name a folder with -o."
        )
    if output:
        check_new_folder(output)
    if folder:
        return folder
    if output is None and not Path(model).is_dir():
        raise CheckpointError(f"There is no model folder {model}.", "Check the path, or use -o.")
    return resolve_folder(model)


class _Progress:
    """A bar over all passes, a row for every variant, and each bad picture once."""

    def __init__(self, lines: list[LabelledLine]) -> None:
        from ..optimize.quantize import ORDER

        self.bar = console.Bar(len(lines) * (1 + len(ORDER)))
        self.unreadable: set[str] = set()
        self._rows = 0

    def passed(self, reading: Reading) -> None:
        if reading.error and reading.name not in self.unreadable:
            self.unreadable.add(reading.name)
            self.bar.passed(reading)
        else:
            self.bar.advance()

    def measured(self, variant: Variant) -> None:
        with self.bar.aside(sys.stdout):
            if not self._rows:
                print("   CER  identical  lines/s  by 32s  speed  8-bit")
            self._rows += 1
            print(_row(variant), flush=True)


def _row(variant: Variant) -> str:
    one, many = variant.lines_per_second.values()
    names = " + ".join(variant.int8) or "none"
    return (
        f"{variant.cer:6.2f}  {variant.identical:7.1f} %  {one:7.1f}  {many:6.1f}  "
        f"{variant.speed:5.2f}  {names}"
    )
