"""Stand-ins for recognizers, and a runner's tasks carried out in this process."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Queue
from typing import Any

from pages import BarReader
from PIL import Image

from trocr.line_result import LineResult
from trocr.serving.messages import Done, Event, Failed, Task
from trocr.serving.settings import ServeSettings
from trocr.serving.workers.runner import Runner

MODEL = "bars"


class HeldReader(BarReader):
    """Reads bars, a batch whenever `free` is set; fails on batches with a picture of a colour.

    Attributes:
        begun: set when a batch has been taken up.
        batches: widths of the pictures, batch by batch.
    """

    POISON = (255, 0, 0)

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()
        self.begun = threading.Event()
        self.batches: list[list[int]] = []

    def read_lines(self, images: Sequence[Image.Image], **options: Any) -> list[LineResult]:
        self.begun.set()
        assert self.free.wait(20)
        self.batches.append([image.width for image in images])
        if any(image.getpixel((0, 0)) == self.POISON for image in images):
            raise RuntimeError("poison")
        return super().read_lines(images, **options)

    def read_continuously(
        self,
        next_lines: Callable[[bool], Any],
        *,
        forget: Callable[[Any], bool],
        **options: Any,
    ) -> Iterator[tuple[Any, LineResult]]:
        while (lines := next_lines(True)) is not None:
            results = self.read_lines([picture for _, picture in lines], **options)
            for (key, _), result in zip(lines, results, strict=True):
                if not forget(key):
                    yield key, result


class Told:
    """What a runner tells, task by task."""

    def __init__(self) -> None:
        self.events: defaultdict[int, Queue[Event]] = defaultdict(Queue)

    def __call__(self, number: int, *events: Event) -> None:
        for event in events:
            self.events[number].put(event)

    def next(self, number: int) -> Event:
        return self.events[number].get(timeout=20)

    def all(self, number: int) -> list[Event]:
        """Up to the end of the task."""
        found = [self.next(number)]
        while not isinstance(found[-1], (Done, Failed)):
            found.append(self.next(number))
        return found

    def only(self, number: int, kind: type[Any]) -> Any:
        """The one event of a kind, of a task that does not fail."""
        events = self.all(number)
        assert isinstance(events[-1], Done), events[-1]
        [found] = [event for event in events if isinstance(event, kind)]
        return found


class Desk:
    """A running runner, and what it tells."""

    def __init__(self, runner: Runner, told: Told, reader: HeldReader) -> None:
        self.runner, self.told, self.reader = runner, told, reader
        self._number = 0

    def begin(self, task: Task) -> int:
        self._number += 1
        self.runner.accept(self._number, task)
        return self._number

    @contextmanager
    def held(self) -> Iterator[None]:
        """No batch is finished meanwhile."""
        self.reader.begun.clear()
        self.reader.free.clear()
        try:
            yield
        finally:
            self.reader.free.set()


@contextmanager
def running(settings: ServeSettings) -> Iterator[Desk]:
    """A runner that reads bars."""
    reader, told = HeldReader(), Told()
    runner = Runner({MODEL: reader}, settings, told)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield Desk(runner, told, reader)
    finally:
        reader.free.set()
        runner.close()
        thread.join(20)
        assert not thread.is_alive()
