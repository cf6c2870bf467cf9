"""A batch run from beginning to end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from glob import has_magic
from itertools import takewhile
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .files import Folder, absolute, local_path
from .intake import Intake
from .ledger import Ledger
from .listing import find_entries
from .local import Workers, devices_of, read_here
from .lock import Lock
from .manifest import Manifest
from .status import Status, status_of
from .task import Task

QUARANTINE = "quarantine.tsv"
REPORT = "report.json"


@dataclass(frozen=True)
class Plan:
    """How a run is made; nothing here changes what is read.

    Attributes:
        inputs: what ``find_entries`` takes; gone through once.
        output: a folder, or the URL of one.
        state: the folder of the manifest; `output` where that is on this machine.
        settings: all that decides what is read. A run over the same output with others is refused.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …
        workers: processes; None: as many as there are GPUs or cores; 0: none, this one reads.
        ray: address of a cluster that reads instead; ``local`` starts one here.
        finders: its actors that find lines, at most; `workers` are those that read, at most.
        unit_size, least_unit: entries of a unit; of the last ones, which are smaller, at least.
        retry: what is in quarantine is read again.
        progress: is told of the manifest's counters, and of pages that were read since.
    """

    inputs: Iterable[str]
    output: str
    state: Path
    settings: Mapping[str, Any]
    device: str = "auto"
    workers: int | None = None
    ray: str | None = None
    finders: int | None = None
    unit_size: int = 64
    least_unit: int = 1
    retry: bool = False
    progress: Callable[[Mapping[str, int], int], None] = lambda counters, pages: None


def state_of(output: str, state: Path | None) -> Path:
    """The folder of the manifest.

    Raises:
        UsageError: an output in an object store, and no folder on this machine.
    """
    local = Folder(output).local
    if state is None and local is None:
        raise UsageError(
            f"{output} cannot hold the manifest: SQLite needs a disk of this machine.",
            "Name a folder with --state.",
        )
    return state or Path(str(local))


def run_batch(task: Task, plan: Plan) -> Status:
    """Read everything that is not yet read.

    Raises:
        UsageError: other settings than before, another run that is going on, nothing to read.
        OutputError: the output cannot be written. Nothing is lost: the same call goes on.
        CheckpointError, DataError: the model or boxes cannot be read.
        KeyboardInterrupt: SIGINT or SIGTERM came.
    """
    with Lock(plan.state), _sigterm_interrupts():
        manifest = Manifest(plan.state, write=True)
        try:
            manifest.begin(plan.settings)
            task = replace(task, mirrored=manifest.first_fact("mirrored", task.mirrored))
            if plan.retry:
                manifest.retry()
            return _run(manifest, task, plan)
        finally:
            manifest.close()


def _run(manifest: Manifest, task: Task, plan: Plan) -> Status:
    found = find_entries(plan.inputs, manifest.is_listed, task.column)
    intake = Intake(manifest, found, plan.unit_size, plan.least_unit)
    devices = devices_of(plan.device, plan.workers) if plan.workers != 0 else []
    with manifest.transaction():
        run = manifest.history.start(len(devices))
    folder = Folder(plan.output)

    def progress(pages: int) -> None:
        plan.progress(manifest.counters(), pages)

    ledger = Ledger(manifest, intake, folder, run, progress)
    how = "failed"
    try:
        if plan.ray is not None:
            _read_on_ray(ledger, task, plan)
        elif devices:
            Workers(ledger, task, plan.output, plan.state, devices).read()
        else:
            read_here(ledger, task, plan.output, plan.device)
        how = "complete"
    except KeyboardInterrupt:
        how = "interrupted"
        raise
    finally:
        with manifest.transaction():
            manifest.history.end(run, how)
    return _reported(manifest, folder)


def _read_on_ray(ledger: Ledger, task: Task, plan: Plan) -> None:
    """What its actors died over is read here, by a process that may die too."""
    from .on_ray import Cluster, Sizes

    assert plan.ray is not None
    sizes = Sizes(plan.finders, plan.workers)
    cluster = Cluster(ledger, task, plan.output, plan.ray, plan.device, sizes)
    try:
        failed = cluster.read()
    finally:
        cluster.close()
    if failed:
        device = devices_of(plan.device, 1)
        Workers(ledger, task, plan.output, plan.state, device).read()


def _reported(manifest: Manifest, folder: Folder) -> Status:
    """The end of a run, in files."""
    status = status_of(manifest, going_on=False)
    rows = (f"{_cell(name)}\t{_cell(why)}\n" for name, why in manifest.quarantine())
    table = "name\treason\n" + "".join(rows)
    folder.write(QUARANTINE, table.encode("utf-8", "surrogateescape"))
    folder.write(REPORT, json.dumps(status.as_dict(), indent=1).encode() + b"\n")
    return status


def _cell(text: str) -> str:
    return " ".join(text.split("\t")).replace("\n", " ").replace("\r", " ")


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """A request to end is taken like Ctrl-C."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def mirrored(inputs: Sequence[str]) -> str:
    """What the names of all entries of these inputs begin with, up to and with a ``/``."""
    roots = [_root(name).rstrip("/").split("/") for name in inputs]
    pairs = zip(min(roots), max(roots), strict=False)  # what these share, all in between share
    return "".join(f"{part}/" for part, other in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _root(name: str) -> str:
    """The folder that an input stands for, or is in."""
    path = local_path(name)
    if path is not None and os.path.isdir(path):
        return os.path.realpath(path)
    whole = name if path is None else absolute(path)
    parts = whole.split("/")
    fixed = list(takewhile(lambda part: not has_magic(part), parts))
    is_file = path is not None or os.path.splitext(whole)[1] != ""
    return "/".join(fixed[:-1] if is_file and fixed == parts else fixed)
