"""A process that reads units: sent their numbers, it writes their files and says what became of
them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ..errors import TrOCRError
from ..image import reason
from .fetching import Fetcher
from .files import Folder
from .ledger import Request
from .manifest import Manifest
from .process import give_back_memory, use_one_thread
from .reading import read_entries
from .shards import Writer
from .task import Task
from .units import Numbered, Outcome, Unit

_SYSTEMATIC = 3  # entries of a unit, the first ones: if all break, something else is wrong
_SECONDS = 0.5  # between two messages about how far a unit is


@dataclass(frozen=True)
class Ready:
    """The model is loaded."""


@dataclass(frozen=True)
class Begun:
    """Entry by entry: this one is next."""

    number: int


@dataclass(frozen=True)
class Progress:
    """So many more pages of the unit were read."""

    pages: int


@dataclass(frozen=True)
class Finished:
    """The files of a unit are written."""

    unit: Unit
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class Broken:
    """Reading a unit ended in an exception that nobody foresaw."""

    number: int
    reason: str


@dataclass(frozen=True)
class Fatal:
    """Nothing can be read or written any more: class, message and hint of the error."""

    kind: type[TrOCRError]
    message: str
    hint: str


Message = Ready | Begun | Progress | Finished | Broken | Fatal
Tell = Callable[[Message], None]


class UnitReader:
    """Reads units with one recognizer.

    Raises:
        CheckpointError, UsageError: the model cannot be loaded.
    """

    def __init__(self, task: Task, output: str, device: str) -> None:
        self._task = task
        self._reader = task.load(device)
        self._fetcher = Fetcher(task.column)
        self._folder = Folder(output)

    def read(self, unit: Unit, one_by_one: bool, tell: Tell) -> Finished:
        """Read a unit and write its files.

        Args:
            unit: its entries in quarantine are left out.
            one_by_one: say which entry is next, and read nothing but that.
            tell: is told how it goes.

        Raises:
            OutputError: a file cannot be written.
            UsageError, DataError: a detector or a rule that cannot be used.
        """
        entries = [each for each in unit.entries if not each.quarantined]
        writer = Writer(self._task, self._folder, self._reader.name)
        outcomes: list[Outcome] = []
        pages, told = 0, time.monotonic()
        for outcome in self._outcomes(entries, writer, tell if one_by_one else None):
            outcomes.append(outcome)
            pages += outcome.pages
            if time.monotonic() - told > _SECONDS:
                tell(Progress(pages))
                pages, told = 0, time.monotonic()
        writer.close(unit)
        give_back_memory()
        tell(Progress(pages))
        return Finished(unit, tuple(outcomes))

    def _outcomes(
        self, entries: Iterable[Numbered], writer: Writer, tell: Tell | None
    ) -> Iterator[Outcome]:
        """Of all entries together, or one by one if somebody is told which one is next."""
        if tell is None:
            for reading in read_entries(self._reader, entries, self._task, self._fetcher):
                yield writer.add(reading)
            return
        broken = 0
        for count, numbered in enumerate(entries, start=1):
            tell(Begun(numbered.number))
            try:
                for reading in read_entries(self._reader, [numbered], self._task, self._fetcher):
                    yield writer.add(reading)
            except TrOCRError:
                raise
            except Exception as error:  # it is this entry's, unless it is everyone's
                broken, why = broken + 1, f"{type(error).__name__}: {reason(error)}."
                if broken == count == _SYSTEMATIC:
                    raise TrOCRError(
                        f"File after file cannot be read: {why}",
                        "Something else than the files is wrong: run trocr doctor.",
                    ) from error
                yield Outcome(numbered.number, 0, why)


def main(
    pipe: Connection[Message, Request], task: Task, output: str, state: str, device: str
) -> None:
    """What a worker's process does until the driver kills it, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it goes to the driver too, which ends us
    threading.Thread(target=_die_with_the_driver, daemon=True).start()
    use_one_thread()
    try:
        units = UnitReader(task, output, device)
        manifest = Manifest(Path(state))
        pipe.send(Ready())
        while True:
            request = pipe.recv()
            pipe.send(_answer(units, manifest.unit(request.number), request, pipe.send))
    except TrOCRError as error:
        pipe.send(Fatal(type(error), error.message, error.hint))


def _answer(units: UnitReader, unit: Unit, request: Request, tell: Tell) -> Message:
    try:
        return units.read(unit, request.one_by_one, tell)
    except TrOCRError:
        raise
    except Exception as error:  # the unit is read again, entry by entry
        return Broken(unit.number, f"{type(error).__name__}: {reason(error)}")


def _die_with_the_driver() -> None:
    driver = parent_process()
    if driver is not None:
        wait([driver.sentinel])
        os._exit(1)
