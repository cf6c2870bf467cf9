"""What ``trocr finetune`` does and says before the first step and after the last."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError, OutputError, RefusedError, UsageError
from ..hub import check_new_folder
from . import console

if TYPE_CHECKING:
    from ..evaluation.comparison import Comparison
    from ..evaluation.predictions import Predictions
    from ..labelled_lines import LabelledLine
    from ..training.finetuning.prepare import Prepared
    from ..training.finetuning.settings import FinetuningSettings, Method
    from ..training.finetuning.vocabulary import How

LEAST_TO_CALIBRATE = 200  # lines


@dataclass(frozen=True)
class Wanted:
    """What the command line says; ``chosen`` are keys of ``OptimizationSection``, with ``seed``."""

    model: str
    data: list[Path]
    validation: Path | None
    tokenizer: How
    method: Method
    gradient_checkpointing: bool
    chosen: dict[str, Any]

    def settings(self, ready: Prepared) -> FinetuningSettings:
        """With what is best for these lines where nothing was said."""
        from ..training.finetuning.settings import FinetuningSettings, default_optimization

        return FinetuningSettings(
            self.model,
            tuple(map(str, self.data)),
            default_optimization(
                len(ready.split.train),
                len(ready.split.validation),
                line_model=ready.model.config.has_line_encoder,
                method=self.method,
                **self.chosen,
            ),
            self.tokenizer,
            self.method,
            self.gradient_checkpointing,
            ready.new_tokens,
        )


def check_same_run(run: Path, wanted: Wanted) -> None:
    """
    Raises:
        UsageError: the folder holds a run from another model, or on other data.
    """
    from ..training.finetuning.settings import read_settings

    begun = read_settings(run)
    if (begun.model, begun.data) != (wanted.model, tuple(map(str, wanted.data))):
        raise UsageError(
            f"{run} holds a run from {begun.model} on {', '.join(begun.data)}.",
            "Name another folder, or give the same model and data to go on with it.",
        )
    _say(f"Going on with {run}, as it was begun.")


def begin(run: Path, wanted: Wanted) -> None:
    """Check the data, let the model learn eight lines by heart, and write the run's folder.

    Raises:
        RefusedError: it cannot learn them.
        UsageError, CheckpointError, DataError, OutputError: a folder, the model, or the data.
    """
    from ..training.finetuning import run as runs

    check_new_folder(run)
    ready = checked(wanted)
    settings = wanted.settings(ready)
    _pass_self_test(ready, settings)
    try:
        runs.begin(run, settings, ready.model, ready.processor, ready.split, ready.calibration)
        found = json.dumps(ready.as_dict(), indent=1, ensure_ascii=False)
        (run / "check.json").write_text(found + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{run} cannot be written: {error.strerror}.", "Name another folder."
        ) from None
    lines, steps = len(ready.split.train), settings.optimization.max_steps
    _say(f"Training on {lines} lines, {steps} steps at most; Ctrl-C, and it can go on later.")


def checked(wanted: Wanted) -> Prepared:
    """What there is to learn from, said on standard error."""
    from ..training.finetuning.check import describe
    from ..training.finetuning.prepare import prepare, read_sets

    _say(f"Reading {', '.join(map(str, wanted.data))} and checking it …")
    lines = read_sets(wanted.data)
    held_out = None if wanted.validation is None else read_sets([wanted.validation])
    with console.Bar(len(lines.lines), verb="checking") as bar:
        ready = prepare(
            wanted.model,
            lines,
            held_out,
            tokenizer=wanted.tokenizer,
            seed=wanted.chosen["seed"],
            on_reading=lambda reading: bar.advance(),
        )
    _say(describe(ready.check))
    train, validation = len(ready.split.train), len(ready.split.validation)
    _say(f"{train} lines to train on, {validation} to validate on, split {ready.split.by}")
    return ready


def _pass_self_test(ready: Prepared, settings: FinetuningSettings) -> None:
    from ..training.finetuning.selftest import learn_by_heart

    _say("Self-test: can it learn eight lines by heart?")
    tested = learn_by_heart(ready.model, ready.processor, ready.split.train, settings.optimization)
    if not tested.passed:
        wrong = "; ".join(f"{one.truth!r} is read {one.text!r}" for one in tested.wrong[:3])
        raise RefusedError(
            f"The model cannot learn eight lines by heart in {tested.steps} steps: {wrong}.",
            "Look whether their pictures show these texts, or give another --learning-rate.",
        )
    _say(f"Yes, in {tested.steps} steps.")


def report(run: Path) -> None:
    """Calibrate the model, and compare it with the one it started from: ``report.html``.

    Steps are chosen by the CTC head; a model that reads worse in the end gives way to the start,
    unless there are too few lines to tell.
    """
    from ..evaluation.comparison import compare
    from ..evaluation.protocols import scoring_protocol
    from ..evaluation.report_page import render
    from ..training.finetuning.run import START, validation_lines
    from ..training.finetuning.settings import LEAST_TO_CHOOSE, read_settings
    from ..writers.files import write_atomically

    lines = validation_lines(run)
    if not lines:
        return
    _calibrate(run, lines)
    protocol = scoring_protocol("cer")
    before, after = (_read(name, lines) for name in (read_settings(run).model, run / "model"))
    found = compare(lines, after, before, protocol)
    if len(lines) >= LEAST_TO_CHOOSE and found.differences["cer"].difference > 0:
        shutil.copytree(run / START, run / "model", dirs_exist_ok=True)
        after = _read(run / "model", lines)
        found = compare(lines, after, before, protocol)
    page = render(f"{run.name}/validation", lines, after, found.model, protocol, found)
    write_atomically(run / "report.html", page.encode())
    _say(_summary(found, len(lines)) + f"\nWhat changed, with pictures: {run / 'report.html'}")


def _calibrate(run: Path, lines: list[LabelledLine]) -> None:
    """By the lines that validate; by those of the start where they are too few."""
    from ..confidence import CALIBRATION
    from ..evaluation.calibration import fit_calibration, read_set
    from ..evaluation.protocols import scoring_protocol
    from ..recognizer import load
    from ..training.finetuning.run import START

    if (run / START / CALIBRATION).exists():
        shutil.copyfile(run / START / CALIBRATION, run / "model" / CALIBRATION)
    if len(lines) < LEAST_TO_CALIBRATE:
        return
    reader = load(run / "model")
    reader.calibration = None
    try:
        found = read_set(reader, Path("validation"), lines, scoring_protocol("cer"))
        calibration, _ = fit_calibration([found])
    except DataError:
        return  # nearly all right, or nearly all wrong
    calibration.save(run / "model")


def _read(model: str | Path, lines: list[LabelledLine]) -> Predictions:
    from ..evaluation.runner import read_lines
    from ..recognizer import load

    with console.Bar(len(lines)) as bar:
        read = read_lines(load(model), lines, on_reading=bar.passed)
    return read if isinstance(model, str) else replace(read, model=model.parent.name)


def _summary(found: Comparison, lines: int) -> str:
    rows = [f"{lines} lines that it did not train on:"]
    for name, words in (("cer", "CER"), ("wer", "WER"), ("exact_match", "lines right")):
        before, after = getattr(found.against, name), getattr(found.model, name)
        rows.append(
            f"  {words:12}{before:6.2f} % -> {after:6.2f} %   p {found.differences[name].p:.3f}"
        )
    if not found.changed:
        rows.append("No line is read otherwise. Other lines to learn from, or more, may help.")
    return "\n".join(rows)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
