"""``trocr train``: a configuration to a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file, see configs/.")],
    run: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the run is kept.  [default: runs/NAME]"),
    ] = None,
    processes: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Processes that share each step, best one a core."),
    ] = 1,
    workers: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Processes that prepare batches ahead of a GPU."),
    ] = 0,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, metavar="M", help="End after this time, if not before."),
    ] = None,
) -> None:
    """Train a line model as a configuration says.

    Its name, data, sizes and schedule are all in CONFIG. A run that was stopped, by Ctrl-C for
    one, goes on from its last checkpoint: give the same command again. The run folder holds
    log.jsonl (losses and validation scores), tensorboard/ (the same), worst/ (the validation lines
    that are read worst), validation/ (labelled sets kept out of training), checkpoint.pt, and
    model/.

    \b
    trocr train configs/printed.toml --processes 2
    trocr evaluate runs/printed/validation/receipts --model runs/printed/model --protocol sroie
    torchrun --nproc-per-node 4 -m trocr train configs/printed.toml --workers 4
    """
    from ..training.config import TrainingConfig
    from ..training.synthetic import training_extra

    settings = TrainingConfig.read(config)
    folder = run or Path("runs") / settings.name

    with training_extra():
        from ..training.loop import train as train_replica
        from ..training.replicas import end_under_torchrun, run_replicas

    run_replicas(processes, train_replica, settings, folder, workers, minutes)
    if os.environ.get("RANK", "0") == "0":
        print(folder / "model")
    end_under_torchrun()
