"""Which lines go into the next batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from PIL import Image

from trocr.line_result import LineResult
from trocr.serving.messages import LineOptions
from trocr.serving.workers import reading
from trocr.serving.workers.batching import LineQueue, WaitingLine
from trocr.serving.workers.stats import Tally
from trocr.serving.workers.watch import Watch

PLAIN, DIGITS = LineOptions("printed"), LineOptions("printed", allow="0-9")


def lines(*widths: int, wanted: bool = True) -> list[WaitingLine]:
    return [
        WaitingLine(Image.new("L", (width, 10)), lambda outcome: None, lambda: wanted)
        for width in widths
    ]


def taken(queue: LineQueue, most: int, options: LineOptions = PLAIN) -> list[int] | None:
    """Widths of the next batch."""
    found = queue.take(options, most, wait=False)
    return None if found is None else [line.picture.width for line in found]


def queue_of(*tasks: Sequence[int]) -> LineQueue:
    queue = LineQueue()
    for number, widths in enumerate(tasks):
        queue.put(number, PLAIN, lines(*widths))
    return queue


def test_lines_of_all_tasks_share_a_batch() -> None:
    assert taken(queue_of([10], [20, 30], [40]), 9) == [10, 20, 30, 40]


def test_a_long_task_leaves_room_for_short_ones() -> None:
    queue = queue_of([100] * 500, [10], [20])
    assert sorted(taken(queue, 8) or []) == [10, 20, *[100] * 6]
    assert queue.waiting(0) == 494


def test_more_tasks_than_fit_take_turns() -> None:
    queue = queue_of([1, 1, 1], [2], [3, 3], [4])
    assert taken(queue, 2) == [1, 2]
    assert taken(queue, 2) == [3, 4]
    assert taken(queue, 2) == [1, 3]
    assert taken(queue, 2) == [1]
    assert taken(queue, 2) == []


def test_lines_of_like_shape_are_read_together_and_the_oldest_in_any_case() -> None:
    queue = queue_of([100, 400, 110, 390, 90, 410])
    assert taken(queue, 3) == [100, 110, 90]
    assert taken(queue, 2) == [400, 390]


def test_a_line_unlike_all_others_is_soon_read() -> None:
    queue = queue_of([100, 900, *[100] * 50])
    batches = [taken(queue, 4) or [] for _ in range(2)]
    assert 900 in batches[1]


def test_lines_of_other_options_wait_for_their_turn() -> None:
    queue = LineQueue()
    queue.put(1, PLAIN, lines(10, 11))
    queue.put(2, DIGITS, lines(20))
    queue.put(3, PLAIN, lines(30))
    assert queue.next_options() == PLAIN
    assert taken(queue, 2) == [10, 30]
    assert taken(queue, 2) is None  # though a line of task 1 waits
    assert queue.next_options() == DIGITS
    assert taken(queue, 2, DIGITS) == [20]
    assert taken(queue, 2, DIGITS) is None
    assert taken(queue, 2) == [11]


def test_dropped_and_unwanted_lines_are_not_read() -> None:
    queue = queue_of([10, 10], [20])
    queue.put(2, PLAIN, lines(30, wanted=False))
    queue.drop(0)
    assert taken(queue, 9) == [20]
    assert queue.total == 0


def test_who_waits_is_woken_by_lines_and_by_the_end() -> None:
    queue = LineQueue()
    found: list[list[WaitingLine] | None] = []

    def wait_twice() -> None:
        found.append(queue.take(PLAIN, 9, wait=True))
        found.append(queue.take(PLAIN, 9, wait=True))

    thread = threading.Thread(target=wait_twice)
    thread.start()
    waiting = lines(10)
    queue.put(1, PLAIN, waiting)
    while not found:
        pass
    queue.close()
    thread.join(10)
    assert found == [waiting, None]
    assert queue.next_options() is None


class Asking:
    """A reader that asks for more before what it was given is read."""

    def __init__(self, queue: LineQueue, coming: Sequence[list[int]]) -> None:
        self._queue, self._coming = queue, coming
        self.given: list[int] = []

    def read_lines(self, pictures: list[Any], **options: Any) -> list[LineResult]:
        raise AssertionError

    def read_continuously(
        self, next_lines: Callable[[bool], list[Any] | None], **options: Any
    ) -> Iterator[tuple[WaitingLine, LineResult]]:
        every = next_lines(True) or []
        for task, widths in enumerate(self._coming):
            self._queue.put(task, PLAIN, lines(*widths))
            more = next_lines(False) or []
            self.given.append(len(more))
            every += more
        for line, _ in every:
            yield line, LineResult("", 1.0, "blank")
        self._queue.put(0, PLAIN, lines(1))
        self.given.append(len(next_lines(False) or []))
        self._queue.close()


@pytest.mark.parametrize(("patience", "given"), [(60.0, [0, 0, 4, 1]), (0.0, [2, 1, 1, 1])])
def test_a_few_lines_wait_for_more_while_others_are_read(
    monkeypatch: pytest.MonkeyPatch, patience: float, given: list[int]
) -> None:
    monkeypatch.setattr(reading, "PATIENCE", patience)
    queue = queue_of([10])
    reader = Asking(queue, [[20, 30], [40], [50]])
    reading.ReadingLoop({"printed": reader}, queue, 8, Watch(), Tally()).run()
    assert reader.given == given
