"""A pool without workers: what it answers is scripted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from trocr.document import Document, Line, Page, Region, Word, rectangle
from trocr.line_result import Candidate, LineResult
from trocr.serving.folders import DOCUMENT, page_file
from trocr.serving.messages import (
    Busy,
    Done,
    Event,
    Export,
    Failed,
    LineRead,
    LineResults,
    Output,
    PageRead,
    PageStarted,
    ReadDocument,
    ReadLines,
    Stopping,
    Task,
    Upload,
)
from trocr.serving.settings import ServeSettings
from trocr.writers import FORMATS, render

Step = Event | float | asyncio.Event
"""What happens next: an event, so many seconds, or a wait until something is set."""
Script = Callable[[Task], Iterable[Step]]
WORD = Word("TOTAL", (10, 10, 60, 30), 0.9)
LINE = Line("TOTAL", rectangle((10, 10, 60, 30)), ((10, 28), (60, 28)), 0.9, (WORD,))
PAGE = Page(100, 200, (Region((LINE,), rectangle((10, 10, 60, 30))),))
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c63f80f00010101001bb6ee560000000049454e44ae426082"
)
MEDIA_TYPES = {"json": "application/json", "html": "text/html", "pdf": "application/pdf"}


def usual(task: Task) -> Iterable[Step]:
    """One page of one line, whatever is read."""
    if isinstance(task, ReadLines):
        return [LineResults(tuple(map(_line_result, task.uploads))), Done()]
    if isinstance(task, Export):
        return [_output(task.format, task.corrections), Done()]
    if task.upload.content == b"broken":
        return [Failed("ImageError", f"{task.upload.name} is no picture.", "Look at it.")]
    if task.folder:
        (task.folder / "pages").mkdir()
        (task.folder / page_file(1, ".png")).write_bytes(PNG)
        (task.folder / DOCUMENT).write_text(render(_document(task.upload), "json"))
    steps: list[Step] = [PageStarted(1, 100, 200, 1)]
    if task.line_events:
        steps.append(LineRead(1, 0, LINE))
    if task.format:
        return [*steps, _output(task.format, "", task.upload), Done()]
    return [*steps, PageRead(PAGE), Done()]


def _line_result(upload: Upload) -> LineResult | Failed:
    if upload.content == b"broken":
        return Failed("ImageError", f"{upload.name} is no picture.", "Look at it.")
    return LineResult("TOTAL", 0.9, "eos", n_best=(Candidate("TOTAL", 0.9),), words=(WORD,))


def _document(upload: Upload) -> Document:
    return Document((PAGE,), upload.name, "printed")


def _output(format: str, corrections: str, upload: Upload | None = None) -> Output:
    """JSON is real; all else tells what it was asked for."""
    upload = upload or Upload("scan.png")
    if format == "json" and not corrections:
        content = render(_document(upload), "json").encode()
    else:
        content = json.dumps({"format": format, "corrections": corrections}).encode()
    suffix = FORMATS[format].suffix if format in FORMATS else ".zip"
    media_type = MEDIA_TYPES.get(format, "text/plain")
    return Output(content, media_type, upload.name.rpartition(".")[0] + suffix)


@dataclass
class FakeStats:
    """What metrics read."""

    lines: int = 0
    pages: int = 0
    batches: int = 0
    batch_rows: int = 0
    restarts: int = 0
    stage_seconds: dict[str, float] = field(default_factory=dict)


class FakeRunning:
    """A task that runs through its script, in a time of its own."""

    def __init__(self, pool: FakePool, task: Task, seconds: float) -> None:
        self.task, self.seconds = task, seconds
        self.cancelled = False
        self._pool = pool
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._working = asyncio.create_task(self._work())

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            event = await self._events.get()
            yield event
            if isinstance(event, (Done, Failed)):
                return

    def cancel(self) -> None:
        if not self._working.done():
            self.cancelled = True
            self._working.cancel()

    async def _work(self) -> None:
        try:
            end: Event = await asyncio.wait_for(self._play(), self.seconds)
        except asyncio.CancelledError:
            end = Failed("Cancelled", "It was cancelled.")
        except asyncio.TimeoutError:
            end = Failed("Deadline", f"It was not read within {self.seconds:g} seconds.")
        self._pool.running.remove(self)
        self._events.put_nowait(end)

    async def _play(self) -> Event:
        for step in self._pool.script(self.task):
            if isinstance(step, asyncio.Event):
                await step.wait()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif isinstance(step, (Done, Failed)):
                return step
            else:
                self._events.put_nowait(step)
        return Done()


class FakePool:
    """The methods of a `WorkerPool`.

    Attributes:
        script: what a task answers.
        tasks: all that were submitted.
        running: those that have not ended.
    """

    def __init__(self, settings: ServeSettings, script: Script = usual) -> None:
        self.settings, self.script = settings, script
        self.tasks: list[Task] = []
        self.runs: list[FakeRunning] = []
        self.running: list[FakeRunning] = []
        self.ready, self.draining = True, False
        self.stats = FakeStats()

    @property
    def alive(self) -> int:
        return int(self.ready)

    @property
    def waiting(self) -> int:
        return len(self.running)

    @property
    def waiting_bytes(self) -> int:
        return sum(map(_size, self.running))

    async def start(self) -> None:
        self.ready = True

    async def stop(self, seconds: float | None = None) -> None:
        self.draining = True
        grace = self.settings.grace_seconds if seconds is None else seconds
        for _ in range(round(grace / 0.01)):
            if not self.running:
                break
            await asyncio.sleep(0.01)
        for running in list(self.running):
            running.cancel()

    def submit(self, task: Task, seconds: float) -> FakeRunning:
        if self.draining:
            raise Stopping
        if self.waiting >= self.settings.max_waiting:
            raise Busy(3.0)
        self.tasks.append(task)
        running = FakeRunning(self, task, seconds)
        self.runs.append(running)
        self.running.append(running)
        return running


def _size(running: FakeRunning) -> int:
    task = running.task
    if isinstance(task, ReadLines):
        return sum(len(upload.content) for upload in task.uploads)
    return len(task.upload.content) if isinstance(task, ReadDocument) else 0
