"""All tasks of a worker: who prepares, who reads, who renders."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from ...errors import UsageError
from ..messages import Event, Export, ReadDocument, Task
from ..settings import ServeSettings
from .batching import LineQueue
from .document_work import DocumentWork
from .exporting import export
from .line_work import LineWork
from .reading import LineReader, ReadingLoop
from .stats import Tally
from .turns import Turns
from .watch import Watch
from .work import ReadingWork, Room, Work, failed

_FETCHERS = 8  # downloads at a time
_RENDERERS = 4  # threads that finish pages and write files, so that a long one blocks no other


class ExportWork(Work):
    """An `Export` on its way; it reads nothing."""

    def __init__(self, number: int, task: Export, room: Room) -> None:
        super().__init__(number, room)
        self._task = task

    def export(self) -> None:
        """All there is to do."""
        self.emit(export(self._task))
        self.complete = True


class Runner:
    """Carries out tasks. It is the `Room` of its tasks.

    Args:
        readers: by the names of their models.
        send: tells the main process the number of a task and its events; from any thread.
    """

    def __init__(
        self,
        readers: Mapping[str, LineReader],
        settings: ServeSettings,
        send: Callable[..., None],
    ) -> None:
        self.settings = settings
        self.lines = LineQueue()
        self.watch = Watch()
        self.tally = Tally()
        self._readers = readers
        self._send = send
        self._works: dict[int, Work] = {}
        self._turns = Turns(self._pixels)
        self._fetchers = ThreadPoolExecutor(_FETCHERS, "fetching")
        self._renderers = ThreadPoolExecutor(_RENDERERS, "rendering")
        self._preparer = threading.Thread(target=self._prepare, name="preparing", daemon=True)

    def run(self) -> None:
        """Read lines in this thread until `close`."""
        self._preparer.start()
        ReadingLoop(
            self._readers, self.lines, self.settings.batch_size, self.watch, self.tally
        ).run()

    def close(self) -> None:
        """Stop; nothing is finished."""
        for work in list(self._works.values()):
            work.cancel()
        self._turns.close()
        self.lines.close()
        self._fetchers.shutdown(wait=False, cancel_futures=True)
        self._renderers.shutdown(wait=False, cancel_futures=True)

    def accept(self, number: int, task: Task) -> None:
        """Begin a task."""
        if isinstance(task, Export):
            exporting = self._works[number] = ExportWork(number, task, self)
            self.later(exporting, "rendering", exporting.export)
            return
        if task.options.model not in self._readers:
            names = ", ".join(self._readers)
            error = UsageError(f"There is no model {task.options.model!r}.", f"Choose: {names}.")
            self._send(number, failed(error))
            return
        work: ReadingWork
        if isinstance(task, ReadDocument):
            work, fetches = DocumentWork(number, task, self), task.upload.url is not None
        else:
            work = LineWork(number, task, self)
            fetches = any(upload.url is not None for upload in task.uploads)
        self._works[number] = work
        if fetches:
            self._fetchers.submit(self._fetch, work)
        else:
            self._turns.add(work)

    def cancel(self, number: int) -> None:
        """Drop a task, if it is not over yet."""
        if work := self._works.get(number):
            work.cancel()
            self.changed()

    def later(self, work: Work, stage: str, step: Callable[[], None]) -> None:
        """Do a step of a task in some other thread."""
        self._renderers.submit(work.do, stage, step)

    def emit(self, work: Work, *events: Event) -> None:
        """Tell the main process."""
        self._send(work.number, *events)

    def ended(self, work: Work) -> None:
        """Forget a task."""
        self._works.pop(work.number, None)
        self.lines.drop(work.number)
        self.changed()

    def changed(self) -> None:
        """A task may have room to go on now."""
        self._turns.changed()

    def _pixels(self) -> int:
        return sum(getattr(work, "pixels", 0) for work in list(self._works.values()))

    def _fetch(self, work: ReadingWork) -> None:
        work.do("fetching", work.fetch)
        self._turns.add(work)

    def _prepare(self) -> None:
        while work := self._turns.next():
            work.do("preparing", work.prepare)
            if not (work.prepared or work.over):
                self._turns.add(work, begun=True)
            del work  # its pictures must not be kept while nothing is to be done
