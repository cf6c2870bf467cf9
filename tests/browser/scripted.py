"""What workers answer, where no worker is."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from PIL import Image
from serving_fakes import Step, usual

from trocr.document import Document, Line, Page, Region, Word, rectangle
from trocr.serving.folders import DOCUMENT, page_file
from trocr.serving.messages import Done, Failed, LineRead, PageRead, PageStarted, ReadDocument, Task
from trocr.writers import render

SIZE = (600, 400)
TEXTS = (("first", 0.95), ("second", 0.3), ("third", 0.7), ("fourth", None))


def lines(texts: Iterable[tuple[str, float | None]] = TEXTS) -> list[Line]:
    """One under the other, the same words again and again."""
    found = []
    for row, (text, confidence) in enumerate(texts):
        box = (40, 30 + 60 * row, 400, 70 + 60 * row)
        words = (Word(text, box, confidence),)
        baseline = ((40.0, box[3] - 8.0), (400.0, box[3] - 8.0))
        found.append(Line(text, rectangle(box), baseline, confidence, words))
    return found


@dataclass
class Scripted:
    """One page or several of the same lines; exports as `serving_fakes.usual`.

    Attributes:
        held: set it and the lines of a page come, but not their order or the end;
        held_from: of this page, and those after it.
        failure: instead of pages.
    """

    lines: list[Line] = field(default_factory=lines)
    pages: int = 1
    held: threading.Event = field(default_factory=threading.Event)
    held_from: int = 1
    failure: Failed | None = None

    def __call__(self, task: Task) -> Iterable[Step]:
        return self._read(task) if isinstance(task, ReadDocument) else usual(task)

    def _read(self, task: ReadDocument) -> Iterator[Step]:
        if self.failure:
            yield self.failure
            return
        assert task.folder
        (task.folder / "pages").mkdir()
        read = []
        for number in range(1, self.pages + 1):
            Image.new("L", SIZE, 200).save(task.folder / page_file(number))
            yield PageStarted(number, *SIZE, len(self.lines))
            yield from (LineRead(number, index, line) for index, line in enumerate(self.lines))
            while self.held.is_set() and number >= self.held_from:
                yield 0.02
            read.append(Page(*SIZE, (Region(tuple(self.lines)),), number))
            yield PageRead(read[-1])
        document = Document(tuple(read), task.upload.name, task.options.model)
        (task.folder / DOCUMENT).write_text(render(document, "json"), encoding="utf-8")
        yield Done()
