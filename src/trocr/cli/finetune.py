"""``trocr finetune``: a model learns one's own hand, script or language."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import OutputError, RefusedError, UsageError
from ..hub import check_new_folder
from . import console

if TYPE_CHECKING:
    from ..evaluation.report import Report
    from ..labelled_lines import LabelledLine
    from ..training.finetuning.prepare import Prepared
    from ..training.finetuning.settings import FinetuningSettings, Method
    from ..training.finetuning.vocabulary import How


class TokenizerChoice(str, Enum):
    """What becomes of the vocabulary."""

    keep = "keep"
    extend = "extend"
    characters = "characters"
    bpe = "bpe"


class MethodChoice(str, Enum):
    """What learns."""

    full = "full"
    lora = "lora"
    decoder = "decoder"


def finetune(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A bundled model, a folder, or a hub id.")
    ],
    data: Annotated[
        list[Path],
        typer.Argument(metavar="DATA...", help="Sets of labelled lines, in any format."),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where the run is kept.")
    ] = None,
    validation: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="Validate on this set.  [default: pages of DATA]"),
    ] = None,
    tokenizer: Annotated[
        TokenizerChoice, typer.Option(help="What becomes of the vocabulary.")
    ] = TokenizerChoice.extend,
    method: Annotated[
        MethodChoice, typer.Option(help="What learns: all weights, LoRA, or the decoder alone.")
    ] = MethodChoice.full,
    minutes: Annotated[
        float | None, typer.Option(min=0, metavar="M", help="Train no longer than this.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Steps.  [default: by lines]")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(min=0, metavar="R", help="[default: by kind of model]")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of the split and of chance.")] = 1,
    check: Annotated[
        bool, typer.Option("--check", help="Look at the data, train nothing.")
    ] = False,
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Less memory, more time.")
    ] = False,
    processes: Annotated[
        int, typer.Option(min=1, metavar="N", help="Processes that share each step.")
    ] = 1,
    workers: Annotated[
        int, typer.Option(min=0, metavar="N", help="Processes that prepare lines for a GPU.")
    ] = 0,
) -> None:
    """Teach a model your own lines: a hand, a typeface, a script, a language.

    DATA are pictures of lines and what they say: a folder of pictures with .txt or .gt.txt beside
    them, labels.tsv, CSV, JSON Lines, an archive of these, Parquet, a Hugging Face folder, or PAGE
    or ALTO with the pictures of the pages (docs/line-sets.md). Some 50 lines of one hand help
    within minutes; more lines help more.

    First everything is checked: what could be read, which labels or pictures look wrong, which
    characters the model lacks, and whether it can learn eight lines by heart. Then it trains,
    validates on pages that it does not train on, keeps the best model (never one that is worse
    than the start), and reports before and after. A run that was stopped goes on: give the same
    command again.

    DIR: model/ (the result), report.html, check.json, validation/, log.jsonl, worst/ (the lines
    that are read worst) and what is needed to go on.

    \b
    trocr finetune handwritten letters/ -o mine
    trocr read letter.jpg --model mine/model
    trocr finetune microsoft/trocr-base-handwritten labels.csv -o mine --method lora
    trocr finetune printed fraktur/ -o mine --check
    """
    from ..training.synthetic import training_extra

    with training_extra():
        from ..training.finetuning.run import finetune as train_replica
        from ..training.finetuning.run import is_begun
        from ..training.replicas import end_under_torchrun, run_replicas

    chosen = {"max_steps": steps, "learning_rate": learning_rate, "seed": seed}
    wanted = _Wanted(
        model,
        data,
        validation,
        tokenizer.value,
        method.value,
        gradient_checkpointing,
        {key: value for key, value in chosen.items() if value is not None},
    )
    if check:
        _checked(wanted)
        return
    if output is None:
        raise UsageError("There is no folder for the run.", "Name one: -o DIR.")
    leads = os.environ.get("RANK", "0") == "0"  # the others wait for it where they meet
    if leads and is_begun(output):
        _check_same_run(output, wanted)
    elif leads:
        _begin(output, wanted)
    run_replicas(processes, train_replica, output, workers, minutes)
    if leads:
        _report(output, model)
        print(output / "model")
    end_under_torchrun()


@dataclass(frozen=True)
class _Wanted:
    """What the command line says."""

    model: str
    data: list[Path]
    validation: Path | None
    tokenizer: How
    method: Method
    gradient_checkpointing: bool
    chosen: dict[str, Any]

    def settings(self, lines: int, *, line_model: bool) -> FinetuningSettings:
        from ..training.finetuning.settings import FinetuningSettings, default_optimization

        return FinetuningSettings(
            self.model,
            tuple(map(str, self.data)),
            default_optimization(lines, line_model=line_model, method=self.method, **self.chosen),
            self.tokenizer,
            self.method,
            self.gradient_checkpointing,
        )


def _check_same_run(output: Path, wanted: _Wanted) -> None:
    from ..training.finetuning.settings import read_settings

    begun = read_settings(output)
    if (begun.model, begun.data) != (wanted.model, tuple(map(str, wanted.data))):
        raise UsageError(
            f"{output} holds a run from {begun.model} on {', '.join(begun.data)}.",
            "Name another folder, or give the same model and data to go on with it.",
        )
    _say(f"Going on with {output}, as it was begun.")


def _begin(output: Path, wanted: _Wanted) -> None:
    """Everything before the first step."""
    from ..training.finetuning.run import begin, is_line_model
    from ..training.finetuning.selftest import learn_by_heart

    check_new_folder(output)
    ready = _checked(wanted)
    lines = len(ready.split.train)
    settings = wanted.settings(lines, line_model=is_line_model(ready.model))
    _say("Self-test: can it learn eight lines by heart?")
    tested = learn_by_heart(ready.model, ready.processor, ready.split.train, settings.optimization)
    if not tested.passed:
        wrong = "; ".join(f"{one.truth!r} is read {one.text!r}" for one in tested.wrong[:3])
        raise RefusedError(
            f"The model cannot learn eight lines by heart in {tested.steps} steps: {wrong}.",
            "Look whether their pictures show these texts, or give another --learning-rate.",
        )
    _say(f"Yes, in {tested.steps} steps.")
    try:
        begin(output, settings, ready.model, ready.processor, ready.split)
        found = json.dumps(ready.as_dict(), indent=1, ensure_ascii=False)
        (output / "check.json").write_text(found + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{output} cannot be written: {error.strerror}.", "Name another folder."
        ) from None
    steps = settings.optimization.max_steps
    _say(f"Training on {lines} lines, {steps} steps at most; Ctrl-C, and it can go on later.")


def _checked(wanted: _Wanted) -> Prepared:
    """What there is to learn from, said on standard error."""
    from ..training.finetuning.check import describe
    from ..training.finetuning.prepare import prepare, read_sets

    _say(f"Reading {', '.join(map(str, wanted.data))} and checking it …")
    lines = read_sets(wanted.data)
    held_out = None if wanted.validation is None else read_sets([wanted.validation])
    ready = prepare(
        wanted.model,
        lines,
        held_out,
        tokenizer=wanted.tokenizer,
        seed=wanted.chosen.get("seed", 1),
    )
    _say(describe(ready.check))
    sides = len(ready.split.train), len(ready.split.validation)
    _say(f"{sides[0]} lines to train on, {sides[1]} to validate on, split {ready.split.by}")
    return ready


def _report(output: Path, start: str) -> None:
    """Before and after, on the lines that validate."""
    from ..training.finetuning.run import validation_lines

    for lines in validation_lines(output).values():
        before, after = (_scores(name, lines) for name in (start, str(output / "model")))
        _say(f"{len(lines)} lines that it was not trained on, which chose the best step:")
        for name in ("cer", "wer", "exact_match"):
            row = f"{getattr(before, name):7.2f} -> {getattr(after, name):7.2f}"
            _say(f"  {name:12} {row}")


def _scores(model: str, lines: list[LabelledLine]) -> Report:
    from ..evaluation.protocols import scoring_protocol
    from ..evaluation.runner import evaluate
    from ..recognizer import load

    with console.Bar(len(lines)) as bar:
        return evaluate(load(model), lines, scoring_protocol("cer"), on_reading=bar.passed)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
