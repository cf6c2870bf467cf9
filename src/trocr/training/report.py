"""What a run tells while it goes on: a log, TensorBoard's events, a line on the terminal."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .replicas import Replicas

LOG = "log.jsonl"
MEANS = ("ctc_loss", "decoder_loss", "gradient_norm", "learning_rate")


class Meter:
    """Means over steps and processes since it was last read, and lines a second.

    Entered, it counts the time of a step.
    """

    def __init__(self, replicas: Replicas) -> None:
        self.replicas = replicas
        self._clear()

    def _clear(self) -> None:
        self.sums = torch.zeros(len(MEANS) + 1, dtype=torch.float64)
        self.steps, self.seconds = 0, 0.0

    def __enter__(self) -> None:
        self.began = time.monotonic()

    def __exit__(self, *exception: object) -> None:
        self.seconds += time.monotonic() - self.began

    def add(self, *values: float) -> None:
        """``MEANS`` of one step of this process, then its number of lines."""
        self.sums += torch.tensor(values, dtype=torch.float64)
        self.steps += 1

    def read(self) -> dict[str, float]:
        """``MEANS`` and ``lines_per_second``, the same in every process."""
        total = self.replicas.gather(self.sums).sum(0)
        means = (total[:-1] / (self.steps * self.replicas.size)).tolist()
        speed = total[-1].item() / self.seconds
        self._clear()
        return {**dict(zip(MEANS, means, strict=True)), "lines_per_second": speed}


class Report:
    """Writes ``log.jsonl`` and, where TensorBoard is installed, ``tensorboard/``.

    Args:
        run: the folder of the run.
        step: where it goes on from; what an earlier try logged after that is dropped.
        silent: say and write nothing.
    """

    def __init__(self, run: Path, step: int, silent: bool = False) -> None:
        self.silent = silent
        self.log = run / LOG
        if self.log.exists() and not silent:
            rows = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [row for row in rows if json.loads(row)["step"] <= step]
            self.log.write_text("".join(kept), encoding="utf-8")
        self.events = None if silent else _event_writer(run / "tensorboard", step)
        self.console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=silent or not self.console.is_terminal,
        )
        self.task = self.progress.add_task("training")
        self.cers: dict[str, float] = {}  # of the last validation, by set

    def __enter__(self) -> Report:
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()
        if self.events:
            self.events.close()

    def at(self, step: int, total_steps: int) -> None:
        """Where the run is."""
        self.progress.update(self.task, completed=step, total=total_steps)

    def losses(self, step: int, values: dict[str, float]) -> None:
        """Means over the steps since the last call."""
        self._write(step, values, "training")
        loss, speed = values["ctc_loss"] + values["decoder_loss"], values["lines_per_second"]
        parts = [f"loss {loss:.2f}", f"{speed:.0f} lines/s"]
        parts += [f"CER {name} {cer:.1f} %" for name, cer in self.cers.items()]
        self.progress.update(self.task, description=", ".join(parts))

    def scores(self, step: int, name: str, values: dict[str, float]) -> None:
        """Of the validation set ``name``."""
        self.cers[name] = values["cer"]
        self._write(step, {"set": name, **values}, name)

    def say(self, text: str) -> None:
        """One line on standard error."""
        if not self.silent:
            self.console.print(text, highlight=False, soft_wrap=True)

    def _write(self, step: int, values: dict[str, Any], group: str) -> None:
        if self.silent:
            return
        entry = {"step": step, "time": round(time.time()), **values}
        with self.log.open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")
        if self.events:
            for key, value in values.items():
                if key != "set":
                    self.events.add_scalar(f"{group}/{key}", value, step)


def _event_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(folder, purge_step=step + 1)
