"""Batch runs over pages of bars, in this process or in others."""

from __future__ import annotations

import json
import os
import signal
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pages import BarReader, bar_page, find_bars
from PIL import Image

from trocr.distribution import Plan, Status, Task, run_batch
from trocr.errors import CheckpointError
from trocr.line_result import LineResult
from trocr.pipeline import Settings, draft

POISON = 330  # a bar of that width kills the process that reads it
SLOW = 0.01  # seconds that a slow reader takes for a page


class PoisonReader(BarReader):
    """Dies over a bar of the width `POISON`."""

    def _read(self, image: Image.Image) -> LineResult:
        result = super()._read(image)
        if result.text == str(POISON):
            os.kill(os.getpid(), signal.SIGKILL)
        return result


class BrokenReader(BarReader):
    """Has a bug."""

    def read_lines(self, images: Sequence[Image.Image], **options: Any) -> list[LineResult]:
        raise KeyError("bug")


class SlowReader(BarReader):
    """Takes its time."""

    def read_lines(self, images: Sequence[Image.Image], **options: Any) -> list[LineResult]:
        time.sleep(SLOW * len(images))
        return super().read_lines(images, **options)


def _prepared(reader: BarReader) -> Any:
    draft.find_lines = find_bars  # type: ignore[attr-defined]
    draft.quarter_turn = lambda image: 0  # type: ignore[attr-defined]
    return reader


def bars(device: str) -> Any:
    """Loads the reader of bars, in a process of its own."""
    return _prepared(BarReader())


def plain_bars(device: str) -> Any:
    """Lines are found as they are anywhere."""
    return BarReader()


def broken(device: str) -> Any:
    return _prepared(BrokenReader())


def poison(device: str) -> Any:
    return _prepared(PoisonReader())


def killed(device: str) -> Any:
    """Dies over poison; lines are not looked for."""
    return PoisonReader()


def slow_bars(device: str) -> Any:
    return _prepared(SlowReader())


def no_model(device: str) -> Any:
    raise CheckpointError("No such model.", "Choose another.")


def pages_in(folder: Path, count: int) -> Path:
    """A folder with so many pages, of one line each, no two the same."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        width = 10 * (2 + number % 30)
        bar_page(width, size=(400, 120 + number)).save(folder / f"page {number}.png")
    return folder


def tar_of(folder: Path, path: Path) -> Path:
    """A tar of the files of a folder."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return path


def run(out: Path, *inputs: Path | str, load: Any = bars, **changes: Any) -> Status:
    """A run over `inputs`, in this process unless `workers` says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("find_lines", "quarter_turn"):
            patch.setattr(draft, name, getattr(draft, name))
        return _run(out, *inputs, load=load, **changes)


def _run(out: Path, *inputs: Path | str, load: Any, **changes: Any) -> Status:
    reading = changes.pop("pipeline", Settings())
    task: dict[str, Any] = {"formats": ("jsonl",), "mirrored": "", "column": None}
    plan = {"workers": 0, "unit_size": 4, "settings": {"model": "bars"}, "state": out}
    task |= {name: changes.pop(name) for name in list(changes) if name in task}
    return run_batch(
        Task(load=load, settings=reading, **task),
        Plan(inputs=[str(each) for each in inputs], output=str(out), **{**plan, **changes}),
    )


def shards(out: Path) -> dict[str, bytes]:
    """All shards by their names."""
    return {path.name: path.read_bytes() for path in sorted((out / "shards").glob("*.jsonl"))}


def records(out: Path) -> dict[str, Any]:
    """All records by their names, of which no two are the same."""
    found = [json.loads(row) for shard in shards(out).values() for row in shard.splitlines()]
    names = [record["name"] for record in found]
    assert len(names) == len(set(names)), "an entry is there twice"
    return dict(zip(names, found, strict=True))


def quarantine(out: Path) -> dict[str, str]:
    """Reasons by names."""
    rows = (out / "quarantine.tsv").read_text().splitlines()[1:]
    return dict(row.split("\t") for row in rows)


def texts(out: Path) -> dict[str, str]:
    """What was read, by the last part of the names."""
    return {name.rpartition("/")[2]: record["text"] for name, record in records(out).items()}
