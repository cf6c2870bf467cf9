"""The same units on a Ray cluster, through Ray Data: lines are found by some actors and read by
others, pages stream from these to those, and the driver writes shards and manifest."""

from __future__ import annotations

import hashlib
import logging
import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..cores import usable_cores
from ..document import Page
from ..errors import ImageError, TrOCRError, UsageError
from ..image import reason
from ..pages import PageFailure, PageImage
from ..pipeline import page_steps, read_stream
from .fetching import Fetcher
from .files import Folder
from .ledger import Ledger, Request
from .process import ENVIRONMENT, give_back_memory, use_one_thread
from .reading import End, Reading, opened
from .shards import Writer
from .task import Task
from .units import Numbered, Unit
from .worker import Fatal

if TYPE_CHECKING:
    from pyarrow import Table

    from ..recognizer import Recognizer

LOCAL = "local"  # the address of a cluster in this process
_TRIES = 2  # of a piece of work
_ROUND = 1000  # units that become one data set: actors are started anew for each
_ROWS = 16  # pages that an actor is given at a time to read
_LINES = 512  # the same of pictures that are lines
_NUMBER, _ENTRY, _ITEM = "unit", "entry", "item"  # columns


@dataclass(frozen=True)
class Closed:
    """All of an entry was handed on: so many pages, of bytes with this digest and size."""

    items: int
    sha256: str
    size: int
    original: bytes | None


class Tries:
    """The actor that counts how often a piece of work was begun: Ray Data begins anew, without
    end, what an actor died over."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, work: str) -> bool:
        """Whether to try, for the first time or once more."""
        self._begun[work] += 1
        return self._begun[work] <= _TRIES


class _Actor:
    """What both kinds have: the pieces of work over which others died are left out."""

    def __init__(self, task: Task, tries: Any) -> None:
        use_one_thread()
        self._task, self._tries = task, tries

    def __call__(self, batch: Table) -> Iterator[Table]:
        """Rows to rows; an error that ends the run as an item of its own."""
        import ray

        rows = batch.to_pylist()
        work = hashlib.sha256(type(self).__name__.encode())
        for row in rows:
            work.update(f"{row[_NUMBER]} {row.get(_ENTRY)} ".encode() + row[_ITEM])
        if not ray.get(self._tries.begin.remote(work.hexdigest())):
            return
        try:
            yield from self._answers(rows)
        except TrOCRError as error:
            yield _table(rows[0][_NUMBER], 0, Fatal(type(error), error.message, error.hint))

    def _answers(self, rows: list[dict[str, Any]]) -> Iterator[Table]:
        raise NotImplementedError


class Finder(_Actor):
    """The actor that opens the entries of units and finds the lines of their pages."""

    def __init__(self, task: Task, tries: Any) -> None:
        super().__init__(task, tries)
        self._fetcher = Fetcher(task.column)

    def _answers(self, rows: list[dict[str, Any]]) -> Iterator[Table]:
        """Units to pages with lines, one a batch, and what else there is of an entry."""
        for row in rows:
            count = 0
            for reading, item in opened(pickle.loads(row[_ITEM]), self._task, self._fetcher):
                found: Any
                if isinstance(item, End):
                    found = Closed(count, reading.sha256, reading.size, reading.original)
                    count = 0
                else:
                    found, count = self._found(item), count + 1
                yield _table(row[_NUMBER], reading.numbered.number, found)

    def _found(self, item: PageImage | PageFailure) -> Any:
        if isinstance(item, PageFailure):
            return item
        try:
            return next(page_steps(item, self._task.settings)).draft
        except StopIteration as end:  # nothing on it has to be read
            return end.value
        except ImageError as error:
            return PageFailure(item.source, item.number, error)


class Reader(_Actor):
    """The actor around a recognizer: lines to texts, pages to what they say."""

    def __init__(self, task: Task, tries: Any, device: str) -> None:
        super().__init__(task, tries)
        self._device = device
        self._reader: Recognizer | None = None

    def _answers(self, rows: list[dict[str, Any]]) -> Iterator[Table]:
        """Pages with lines to pages with texts."""
        if self._reader is None:  # not before: an actor could not say what is wrong with the model
            self._reader = self._task.load(self._device)
        items = (((row[_NUMBER], row[_ENTRY]), pickle.loads(row[_ITEM])) for row in rows)
        for key, item in read_stream(self._reader, items, self._task.settings):
            yield _table(*key, (item, self._reader.name))
        give_back_memory()


def _table(number: int, entry: int, item: Any) -> Table:
    import pyarrow

    packed = pyarrow.array([pickle.dumps(item)], pyarrow.large_binary())
    return pyarrow.table({_NUMBER: [number], _ENTRY: [entry], _ITEM: packed})


@dataclass
class _Open:
    """A unit some of whose pages have come in."""

    unit: Unit
    readings: dict[int, Reading]
    missing: dict[int, int] = field(default_factory=dict)  # pages of entries that are closed
    # What a task hands on that is tried again may have come before.
    seen: dict[int, set[tuple[type, int | None]]] = field(default_factory=dict)

    @classmethod
    def of(cls, unit: Unit) -> _Open:
        entries = [each for each in unit.entries if not each.quarantined]
        return cls(unit, {each.number: Reading(each) for each in entries})

    def add(self, number: int, item: Page | PageFailure | Closed) -> None:
        reading = self.readings[number]
        if isinstance(item, Closed):
            reading.sha256, reading.size = item.sha256, item.size
            reading.original = item.original
            self.missing[number] = item.items
        elif (type(item), item.number) not in self.seen.setdefault(number, set()):
            self.seen[number].add((type(item), item.number))
            reading.add(item)

    @property
    def is_complete(self) -> bool:
        return len(self.missing) == len(self.readings) and all(
            len(reading.pages) + len(reading.failures) == self.missing[number]
            for number, reading in self.readings.items()
        )


@dataclass(frozen=True)
class Sizes:
    """How many actors there are at most of each kind."""

    finders: int | None = None
    readers: int | None = None


class Cluster:
    """Units of a ledger through a Ray cluster.

    Args:
        ledger, task, output: as for local processes.
        address: of the cluster; ``local`` starts one here, for as long as this runs.
        device: of the readers: ``auto`` is a GPU each, where the cluster has some.
        sizes: of the pools; by default GPUs, or half the cores, read, and the other cores find.

    Raises:
        UsageError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(
        self, ledger: Ledger, task: Task, output: str, address: str, device: str, sizes: Sizes
    ) -> None:
        self._ledger, self._task, self._folder = ledger, task, Folder(output)
        self._ray = _connected(address)
        resources = self._ray.cluster_resources()
        cores, gpus = int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
        self._gpus = 1 if device.startswith("cuda") or (device == "auto" and gpus) else 0
        self._device = "cuda" if self._gpus else "cpu"
        self._readers = sizes.readers or (gpus if self._gpus else max(1, cores // 2))
        on_cores = 0 if self._gpus else self._readers
        self._finders = sizes.finders or max(1, cores - on_cores)

    def read(self) -> list[Request]:
        """Read all units but those over which actors died, or broke; returns these.

        Raises:
            TrOCRError: Ray cannot go on.
        """
        failed: dict[int, Request] = {}
        while True:
            listing = self._ledger.list_more()
            requests = self._ledger.next(failed, _ROUND)
            if listing and len(requests) < _ROUND:
                continue
            for request in requests:
                if request.one_by_one:
                    failed[request.number] = request
            if not requests:
                return list(failed.values())
            shared = [request.number for request in requests if not request.one_by_one]
            for number in self._round(shared) if shared else []:
                failed[number] = Request(number, one_by_one=True)

    def close(self) -> None:
        """Leave the cluster."""
        self._ray.shutdown()

    def _round(self, numbers: list[int]) -> list[int]:
        """Read some units; returns those that are not complete in the end."""
        units = {number: _Open.of(self._ledger.manifest.unit(number)) for number in numbers}
        try:
            for row in self._stream(units).iter_rows():
                number, entry = row[_NUMBER], row[_ENTRY]
                found = pickle.loads(row[_ITEM])
                item, model = found if isinstance(found, tuple) else (found, "")
                if isinstance(item, Fatal):
                    raise item.kind(item.message, item.hint)
                if number in units:
                    units[number].add(entry, item)
                    if units[number].is_complete:
                        self._finish(units.pop(number), model)
        except TrOCRError:
            raise
        except Exception as error:  # Ray has errors of its own
            why = reason(error).partition("\n")[0]
            raise TrOCRError(f"Ray cannot go on: {why}.", "See the logs of the cluster.") from error
        for number in units:
            self._ledger.died(Request(number, one_by_one=False), None)
        return list(units)

    def _stream(self, units: dict[int, _Open]) -> Any:
        from ray.data import ActorPoolStrategy, DataContext, from_items

        logging.getLogger("ray.data").setLevel(logging.ERROR)
        DataContext.get_current().max_errored_blocks = -1  # what is lost is read one by one
        DataContext.get_current().enable_progress_bars = False
        tries = self._ray.remote(num_cpus=0)(Tries).remote()
        rows = [
            {_NUMBER: number, _ITEM: pickle.dumps(_left(each.unit))}
            for number, each in units.items()
        ]
        rows_at_once = _LINES if self._task.settings.lines else _ROWS
        return (
            from_items(rows, override_num_blocks=len(rows))
            .map_batches(
                Finder,
                fn_constructor_args=(self._task, tries),
                compute=ActorPoolStrategy(min_size=1, max_size=self._finders),
                batch_size=1,
                num_cpus=1,
                batch_format="pyarrow",
            )
            .map_batches(
                Reader,
                fn_constructor_args=(self._task, tries, self._device),
                compute=ActorPoolStrategy(min_size=1, max_size=self._readers),
                batch_size=rows_at_once,
                num_cpus=0 if self._gpus else 1,
                num_gpus=self._gpus,
                batch_format="pyarrow",
            )
        )

    def _finish(self, each: _Open, model: str) -> None:
        writer = Writer(self._task, self._folder, model)
        outcomes = tuple(writer.add(reading) for reading in each.readings.values())
        writer.close(each.unit)
        self._ledger.finish(each.unit, outcomes)
        self._ledger.progress(sum(outcome.pages for outcome in outcomes))


def _left(unit: Unit) -> list[Numbered]:
    return [each for each in unit.entries if not each.quarantined]


def _connected(address: str) -> Any:
    try:
        import ray
    except ModuleNotFoundError:
        raise UsageError(
            "A cluster needs Ray, which is not installed.", 'Run pip install "trocr[ray]".'
        ) from None
    own: dict[str, Any] = {"include_dashboard": False, "num_cpus": usable_cores()}
    try:
        ray.init(
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": ENVIRONMENT},
            **(own if address == LOCAL else {"address": address}),
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UsageError(
            f"The Ray cluster {address} cannot be reached: {reason(error)}.",
            "Check the address, or use local.",
        ) from error
    return ray
