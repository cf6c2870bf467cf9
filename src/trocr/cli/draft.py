"""``trocr optimize draft``: trains a head that guesses what a decoder will write."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import OutputError, UsageError
from ..hub import check_new_folder, resolve_folder
from . import console
from .options import BatchSize, Device

if TYPE_CHECKING:
    from ..optimize.draft import Acceptance, DraftedLine
    from ..recognizer import Recognizer


def draft(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder, or a hub id with -o.")],
    data: Annotated[
        Path,
        typer.Option(metavar="LINES", help="Lines of the kind to be read, as `evaluate` takes."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Write a copy of the model there."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, metavar="N", help="Train no longer than this.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Steps of training.")] = 2000,
    device: Device = "auto",
    batch_size: BatchSize = 16,
) -> None:
    """Make a model faster whose decoder writes token by token: teach it to guess whole lines.

    A small draft head is trained on the frozen encoder and stored beside the model, in
    draft_head.safetensors and draft_head.json; `trocr read` and `trocr.load` then use it. The
    decoder checks each guess in one pass instead of one pass a token, and goes on by itself where
    the guess is wrong: the texts stay the same, and the weights of the model too.

    For published checkpoints (microsoft/trocr-base-printed and the like); models with a CTC head,
    such as the bundled ones, draft by themselves. Labels are not used: what has to be guessed is
    what the model itself writes. Some thousand lines are good, some hundred a beginning. Every
    tenth line is held out; printed is the share of their drafts that the decoder accepts, in per
    cent, and the share of tokens before the first mistake. The best head is kept as it comes, so
    Ctrl-C only ends the training early.

    \b
    trocr optimize draft models/trocr-base-printed --data receipts/
    trocr optimize draft microsoft/trocr-base-handwritten --data letters.tar.gz -o mine --minutes 30
    """
    from ..optimize.draft import train_draft_head
    from ..recognizer import load

    if output is None and not Path(model).is_dir():
        raise UsageError(f"{model} is no folder to store a draft head in.", "Name one with -o.")
    reader = load(model, device)
    if reader.has_ctc_head:
        raise UsageError(f"{model} drafts with its own CTC head.", "It needs no other.")
    folder = Path(model) if output is None else _copied(resolve_folder(model), output)
    lines = _lines(reader, data, batch_size)
    print("  step    loss  accepted  tokens", flush=True)
    with console.Bar(steps, "steps", "training") as bar:

        def on_evaluation(found: Acceptance) -> None:
            with bar.aside(sys.stdout):
                print(_row(found), flush=True)

        best = train_draft_head(
            reader,
            lines,
            folder,
            steps=steps,
            minutes=minutes,
            batch_size=batch_size,
            on_step=bar.advance,
            on_evaluation=on_evaluation,
        )
    print(f"{folder}: {100 * best.accepted:.1f} % of {best.lines} held-out drafts accepted")


def _copied(folder: Path, output: Path) -> Path:
    check_new_folder(output)
    try:
        shutil.copytree(folder, output, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        raise OutputError(f"{output} cannot be written: {error}", "Name another folder.") from None
    return output


def _lines(reader: Recognizer, data: Path, batch_size: int) -> list[DraftedLine]:
    """What the model writes for every picture that can be read."""
    from ..labelled_lines import read_labelled_lines
    from ..optimize.draft import lines_of

    lines = list(read_labelled_lines(data))
    with console.Bar(len(lines)) as bar:
        return lines_of(reader, lines, batch_size=batch_size, on_reading=bar.passed)


def _row(found: Acceptance) -> str:
    shares = f"{100 * found.accepted:8.1f}  {100 * found.tokens:6.1f}"
    return f"{found.step:6}  {found.loss:6.3f}  {shares}"
