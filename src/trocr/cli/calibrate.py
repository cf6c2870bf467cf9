"""``trocr calibrate``: makes the confidence of a model a probability."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..bundled import MODELS, bundled_folder
from ..errors import CheckpointError, ImageError, UsageError
from . import console
from .labelled import load_lines
from .options import BatchSize, Device

if TYPE_CHECKING:
    from ..confidence import Calibration
    from ..evaluation.calibration import Gain, ReadSet
    from ..recognizer import Recognizer
    from ..stream import Reading


def calibrate(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The folder of a model.")],
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA", help="Labelled sets that the model was not trained on."),
    ],
    caseless: Annotated[
        list[Path] | None,
        typer.Option(metavar="DATA", help="One of them, compared in lower case. Repeatable."),
    ] = None,
    device: Device = "auto",
    batch_size: BatchSize = 32,
) -> None:
    """Fit a model's confidence on labelled sets, and store it in the model's folder.

    Afterwards the confidence of a line is the probability that every character of it is right.
    Use the sets that validate the model, of every kind it is made for, about 1,000 lines or more
    in all: what it was trained on it reads too surely.

    Printed for every set: lines with ink, percentage of them read without a mistake, and the
    expected calibration error (ECE, 0-1) before and after. After is cross-validated: each tenth of
    a set is measured with what was fitted on the other tenths. By chance alone, that is, with
    probabilities that are exactly right, so many lines give the ECE in the next column.

    \b
    trocr calibrate runs/mine/model runs/mine/validation
    trocr calibrate runs/mine/model letters receipts --caseless receipts
    """
    folder = _own_folder(model)
    lower = set(caseless or [])
    if unknown := lower - set(data):
        raise UsageError(f"--caseless {min(unknown)} is no set of DATA.", "Name it there too.")

    from ..evaluation.calibration import fit_calibration
    from ..recognizer import load

    reader = load(folder, device)
    reader.calibration = None
    read = [_read(reader, path, batch_size, ignore_case=path in lower) for path in data]
    calibration, gains = fit_calibration([found for found, _ in read])
    _save(calibration, folder)
    print(_table(gains), flush=True)
    if any(unreadable for _, unreadable in read):
        raise typer.Exit(ImageError.exit_code)


def _own_folder(model: Path) -> Path:
    if bundled_folder(str(model)) or MODELS in model.resolve().parents:
        raise UsageError(
            f"{model} is a bundled model, and those stay as they are.",
            "Copy its folder (see `trocr models`), and calibrate the copy.",
        )
    if not model.is_dir():
        raise CheckpointError(f"There is no model folder {model}.", "Check the path.")
    return model


def _read(
    reader: Recognizer, path: Path, batch_size: int, *, ignore_case: bool
) -> tuple[ReadSet, int]:
    """A set as the model reads it, and how many of its pictures could not be read."""
    from ..evaluation.calibration import read_set
    from ..evaluation.protocols import scoring_protocol

    lines = load_lines(path)
    unreadable = 0
    with console.Bar(len(lines)) as bar:

        def on_reading(reading: Reading) -> None:
            nonlocal unreadable
            unreadable += reading.error is not None
            bar.passed(reading)

        protocol = scoring_protocol("cer", ignore_case=ignore_case)
        found = read_set(
            reader, path, lines, protocol, batch_size=batch_size, on_reading=on_reading
        )
    return found, unreadable


def _save(calibration: Calibration, folder: Path) -> None:
    try:
        calibration.save(folder)
    except OSError as error:
        raise CheckpointError(
            f"{folder} cannot be written to: {error.strerror}.", "Calibrate a copy of the folder."
        ) from None


def _table(gains: list[Gain]) -> str:
    rows = ["    lines    exact  ECE before   after  by chance  data"]
    for gain in gains:
        errors = f"{gain.ece_before:10.4f}  {gain.ece_after:6.4f}  {gain.ece_by_chance:9.4f}"
        rows.append(f"{gain.n:9}  {gain.exact_match:7.2f}  {errors}  {gain.data}")
    return "\n".join(rows)
