"""``trocr train``: a configuration to a model."""

from __future__ import annotations

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
) -> None:
    """Train a line model as a configuration says.

    Its name, data, sizes and schedule are all in CONFIG. A run that was stopped goes on from its
    last checkpoint: give the same command again. The run folder holds log.jsonl (losses and
    validation scores), validation/ (the lines kept out of training, a labelled set),
    checkpoint.pt, and at the end model/.

    \b
    trocr train configs/printed.toml --processes 2
    trocr evaluate runs/printed/validation --model runs/printed/model --protocol sroie
    trocr read line.png --model runs/printed/model
    """
    from ..training.config import TrainingConfig

    settings = TrainingConfig.read(config)
    folder = run or Path("runs") / settings.name

    from ..training.loop import train as train_replica
    from ..training.replicas import run_replicas

    run_replicas(processes, train_replica, settings, folder, workers)
    print(folder / "model")
