"""``trocr finetune``: a model learns one's own hand, script or language."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .finetuning import Wanted, begin, check_same_run, checked, report


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
    wanted = Wanted(
        model,
        data,
        validation,
        tokenizer.value,
        method.value,
        gradient_checkpointing,
        {key: value for key, value in chosen.items() if value is not None},
    )
    if check:
        checked(wanted)
        return
    if output is None:
        raise UsageError("There is no folder for the run.", "Name one: -o DIR.")
    leads = os.environ.get("RANK", "0") == "0"  # the others wait for it where they meet
    if leads and is_begun(output):
        check_same_run(output, wanted)
    elif leads:
        begin(output, wanted)
    run_replicas(processes, train_replica, output, workers, minutes)
    if leads:
        report(output)
        print(output / "model")
    end_under_torchrun()
