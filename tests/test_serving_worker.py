"""Tasks in a worker: batches of many, one at a time in memory, each failing for itself."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pages import bar_page, find_bars, pdf_of
from PIL import Image
from serving_readers import MODEL, Desk, HeldReader, running

from trocr.document import Page, from_dict
from trocr.pipeline import draft
from trocr.readers import read_document
from trocr.serving.folders import DOCUMENT, ORIGINAL, find_page
from trocr.serving.messages import (
    Done,
    Failed,
    LineOptions,
    LineRead,
    LineResults,
    Output,
    PageFailed,
    PageRead,
    PageStarted,
    ReadDocument,
    ReadLines,
    Upload,
)
from trocr.serving.settings import ServeSettings
from trocr.serving.workers import document_work, turns, watch

SETTINGS = ServeSettings(models=(MODEL,), detector="plain", batch_size=8)
BARS = LineOptions(MODEL)


@pytest.fixture(autouse=True)
def bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are bars, and every page is upright."""
    monkeypatch.setattr(draft, "find_lines", find_bars)
    monkeypatch.setattr(draft, "quarter_turn", lambda image: 0)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with running(SETTINGS) as found:
        yield found


def png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def line(width: int) -> Image.Image:
    return bar_page(width).crop((30, 50, 50 + width, 95))


def lines(*widths: int, options: LineOptions = BARS) -> ReadLines:
    uploads = tuple(Upload(f"{width}.png", png(line(width))) for width in widths)
    return ReadLines(uploads, options)


def document(*pages: Image.Image, name: str = "scan.pdf", **options: object) -> ReadDocument:
    return replace(ReadDocument(Upload(name, pdf_of(pages)), BARS), **options)


def texts(results: LineResults) -> list[str]:
    return [each.message if isinstance(each, Failed) else each.text for each in results.results]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_pictures_of_lines_are_read_in_their_order(desk: Desk) -> None:
    found = desk.told.only(desk.begin(lines(200, 100, 150)), LineResults)
    assert texts(found) == ["200", "100", "150"]


def test_a_bad_picture_costs_only_itself(desk: Desk) -> None:
    uploads = (Upload("a/b\\note.txt", b"no picture"), *lines(100).uploads)
    found = desk.told.only(desk.begin(ReadLines(uploads, BARS)), LineResults)
    assert texts(found) == ["note.txt is text, not a picture.", "100"]
    assert found.results[0].kind == "ImageError"


def test_a_task_without_a_readable_line_ends(desk: Desk) -> None:
    found = desk.told.only(desk.begin(ReadLines((Upload("a", b""),) * 20, BARS)), LineResults)
    assert len(found.results) == 20


def test_lines_of_several_tasks_share_a_batch(desk: Desk) -> None:
    with desk.held():
        first = desk.begin(lines(100))
        assert desk.reader.begun.wait(20)
        rest = [desk.begin(lines(width)) for width in (110, 120, 130)]
        until(lambda: desk.runner.lines.total == 3)
    for number, text in zip([first, *rest], ("100", "110", "120", "130"), strict=True):
        assert texts(desk.told.only(number, LineResults)) == [text]
    assert list(map(len, desk.reader.batches)) == [1, 3]


def test_what_breaks_a_batch_costs_only_itself(desk: Desk) -> None:
    poison = line(140)
    poison.putpixel((0, 0), HeldReader.POISON)
    with desk.held():
        desk.begin(lines(50))
        assert desk.reader.begun.wait(20)
        good = desk.begin(lines(100, 110))
        bad = desk.begin(ReadLines((Upload("poison.png", png(poison)), *lines(120).uploads), BARS))
        until(lambda: desk.runner.lines.total == 4)
    assert texts(desk.told.only(good, LineResults)) == ["100", "110"]
    outcome = desk.told.only(bad, LineResults).results
    assert outcome[0].kind == "Internal"
    assert "poison" not in outcome[0].message
    assert outcome[1].text == "120"
    again = desk.begin(lines(90))
    assert texts(desk.told.only(again, LineResults)) == ["90"]


def test_pages_come_as_they_are_read(desk: Desk) -> None:
    number = desk.begin(document(bar_page(100, 200), bar_page(), line_events=True))
    events = desk.told.all(number)
    kinds = [PageStarted, LineRead, LineRead, PageRead, PageStarted, PageRead, Done]
    of = {1: [], 2: []}
    for event in events[:-1]:
        page = event.page.number if isinstance(event, PageRead) else None
        of[page or getattr(event, "number", None) or event.page].append(type(event))
    assert of[1] + of[2] + [type(events[-1])] == kinds
    read = {event.page.number: event.page for event in events if isinstance(event, PageRead)}
    told = [event for event in events if isinstance(event, LineRead)]
    assert [each.text for each in read[1].lines] == ["100", "200"]
    assert sorted(each.index for each in told) == [0, 1]
    assert {each.line for each in told} == set(read[1].lines)
    assert PageStarted(1, 400, 300, 2) in events
    assert read[1].source == "scan.pdf"
    assert not list(read[2].lines)


def test_a_page_upside_down_is_turned_and_told_again(desk: Desk) -> None:
    upright = bar_page(100, 200, 150)
    number = desk.begin(document(upright.transpose(Image.Transpose.ROTATE_180), line_events=True))
    events = desk.told.all(number)
    started = [event for event in events if isinstance(event, PageStarted)]
    assert started == [PageStarted(1, 400, 300, 3)] * 2
    [page] = [event.page for event in events if isinstance(event, PageRead)]
    assert page.orientation == 180
    assert [each.text for each in page.lines] == ["100", "200", "150"]
    last = events.index(started[0], events.index(started[0]) + 1)
    assert {e.line for e in events[last:] if isinstance(e, LineRead)} == set(page.lines)


def test_a_page_that_cannot_be_read_is_told_and_the_others_go_on(desk: Desk) -> None:
    task = document(bar_page(100), bar_page(110), pages="1,2,7")
    events = desk.told.all(desk.begin(task))
    assert {event.page.number for event in events if isinstance(event, PageRead)} == {1, 2}
    [failure] = [event for event in events if isinstance(event, PageFailed)]
    assert "no page 7" in failure.message
    assert isinstance(events[-1], Done)


def test_a_document_is_answered_in_a_format(desk: Desk) -> None:
    task = document(bar_page(100), bar_page(110), format="json", pages="1,2,9")
    output = desk.told.only(desk.begin(task), Output)
    found = from_dict(json.loads(output.content))
    assert [page.text for page in found] == ["100", "110"]
    assert (found.source, found.model) == ("scan.pdf", MODEL)
    assert (output.media_type, output.file_name) == ("application/json", "scan.json")
    assert len(output.failed_pages) == 1


@pytest.mark.parametrize(
    ("task", "kind", "words"),
    [
        (ReadDocument(Upload("a.pdf", b"%PDF-1.4 nothing"), BARS), "ImageError", "a.pdf is a dam"),
        (ReadDocument(Upload("empty", b""), BARS, format="txt"), "ImageError", "empty is empty"),
        (document(bar_page(100), pages="x"), "UsageError", "x"),
        (document(bar_page(100), format="docx"), "UsageError", "docx"),
        (document(bar_page(100), dpi=-1.0), "UsageError", "-1"),
        (document(Image.new("RGB", (2000, 1000)), dpi=100000.0), "ImageError", "too large"),
    ],
)
def test_what_cannot_be_read_fails_with_a_reason(
    desk: Desk, task: ReadDocument, kind: str, words: str
) -> None:
    end = desk.told.all(desk.begin(task))[-1]
    assert isinstance(end, Failed)
    assert end.kind == kind
    assert words in end.message
    assert not desk.runner._works


def test_options_that_cannot_work_end_the_task(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from trocr.errors import UsageError

    def refuse(images: object, **options: object) -> None:
        raise UsageError("The pattern is none.", "Write another.")

    monkeypatch.setattr(desk.reader, "read_lines", refuse)
    for task in (lines(100, 110), document(bar_page(100))):
        end = desk.told.all(desk.begin(task))[-1]
        assert end == Failed("UsageError", "The pattern is none.", "Write another.")


def test_a_mistake_of_ours_ends_the_task_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*anything: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(document_work, "rendered", broken)
    end = desk.told.all(desk.begin(document(bar_page(100), format="txt")))[-1]
    assert end.kind == "Internal"
    assert "secret" not in end.message + end.hint
    assert isinstance(desk.told.all(desk.begin(lines(100)))[-1], Done)


def test_a_long_document_is_prepared_only_a_little_ahead(desk: Desk) -> None:
    with desk.held():
        number = desk.begin(document(*[bar_page(100, 200, 150, 50)] * 40))
        until(lambda: desk.runner.lines.waiting(number) >= 2 * SETTINGS.batch_size)
        time.sleep(0.3)
        waiting = desk.runner.lines.waiting(number)
        assert waiting < 3 * SETTINGS.batch_size
    assert isinstance(desk.told.all(number)[-1], Done)


def test_pictures_that_wait_have_a_limit_in_all(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "MOST_PIXELS", 200_000)
    with desk.held():
        numbers = [desk.begin(document(*[bar_page(100)] * 5)) for _ in range(4)]
        time.sleep(0.5)
        assert desk.runner._pixels() < 200_000 + 2 * 400 * 300
    for number in numbers:
        assert isinstance(desk.told.all(number)[-1], Done)


def test_a_line_does_not_wait_for_a_long_document(desk: Desk) -> None:
    long = desk.begin(document(*[bar_page(100, 200, 150)] * 60))
    assert isinstance(desk.told.next(long), PageStarted)
    for _ in range(3):
        assert texts(desk.told.only(desk.begin(lines(90)), LineResults)) == ["90"]
    assert long in desk.runner._works  # it is not done
    assert sum(isinstance(event, PageRead) for event in desk.told.all(long)) == 60


def test_pages_of_several_documents_are_prepared_in_turns(desk: Desk) -> None:
    long = desk.begin(document(*[bar_page(100)] * 60))
    short = desk.begin(document(bar_page(110)))
    assert isinstance(desk.told.all(short)[-1], Done)
    assert long in desk.runner._works
    assert isinstance(desk.told.all(long)[-1], Done)


def test_what_is_cancelled_is_dropped(desk: Desk) -> None:
    with desk.held():
        first = desk.begin(lines(100))
        assert desk.reader.begun.wait(20)
        long = desk.begin(document(*[bar_page(100, 200, 150)] * 60))
        waiting = desk.begin(lines(110, 120))
        until(lambda: desk.runner.lines.waiting(waiting) == 2)
        until(lambda: desk.runner.lines.waiting(long) > 0)
        for number in (long, waiting, first):
            desk.runner.cancel(number)
        assert all(desk.told.all(each)[-1].kind == "Cancelled" for each in (long, waiting, first))
        assert desk.runner.lines.total == 0
        assert not desk.runner._works
    assert texts(desk.told.only(desk.begin(lines(90)), LineResults)) == ["90"]
    assert desk.told.events[first].empty()


def test_what_a_folder_keeps_is_what_was_read(desk: Desk, tmp_path: Path) -> None:
    pages = [bar_page(100, 200), bar_page(150, size=(500, 300))]
    task = document(*pages, name="../../evil name?.pdf", folder=tmp_path)
    events = desk.told.all(desk.begin(task))
    read: list[Page] = [event.page for event in events if isinstance(event, PageRead)]
    kept = read_document(tmp_path / DOCUMENT)
    assert kept.source == "evil name.pdf"
    assert set(kept) == set(read)
    assert (tmp_path / ORIGINAL).read_bytes() == task.upload.content
    for page in kept:
        file = find_page(tmp_path, page.number)
        assert file is not None
        with Image.open(file) as picture:
            assert picture.size == (page.width, page.height)
            boxes = [each.box for each in find_bars(picture.convert("RGB"))]
        assert boxes == [each.box for each in page.lines]
    assert {file.name for file in tmp_path.iterdir()} == {DOCUMENT, ORIGINAL, "pages"}


def test_a_url_is_fetched_elsewhere(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def download(url: str, limits: object) -> io.BytesIO:
        fetched.append(url)
        return io.BytesIO(png(line(100)))

    monkeypatch.setattr("trocr.serving.workers.fetching.download", download)
    upload = Upload("line.png", url="https://example.org/line.png")
    assert texts(desk.told.only(desk.begin(ReadLines((upload,), BARS)), LineResults)) == ["100"]
    [page] = desk.told.only(desk.begin(ReadDocument(upload, BARS)), PageRead).page.lines
    assert page.text == "100"
    assert fetched == [upload.url] * 2


def test_a_private_url_is_refused(desk: Desk) -> None:
    upload = Upload("x", url="http://127.0.0.1/x.png")
    end = desk.told.all(desk.begin(ReadDocument(upload, BARS)))[-1]
    assert end.kind == "ImageError"
    assert "public internet" in end.message
    assert "leads to" not in end.message, "what a name stands for in our network is our affair"
    found = desk.told.only(desk.begin(ReadLines((upload, *lines(100).uploads), BARS)), LineResults)
    assert [isinstance(each, Failed) for each in found.results] == [True, False]


def test_what_was_done_is_counted(desk: Desk) -> None:
    desk.told.all(desk.begin(document(bar_page(100, 200), format="txt")))
    desk.told.all(desk.begin(lines(100)))
    until(lambda: not desk.runner.watch._steps)
    counts = desk.runner.tally.taken()
    assert (counts.lines, counts.pages, counts.batch_rows) == (3, 1, 3)
    assert counts.batches in (2, 3)
    assert {"preparing", "finishing", "rendering"} <= set(counts.stage_seconds)
    assert desk.runner.tally.taken().lines == 0


def test_a_step_that_hangs_is_noticed() -> None:
    watched, nobody_waits = watch.Watch(), False
    with watched.step("preparing", lambda: nobody_waits) as step:
        step.since -= watch.GIVEN_UP + 1
        assert watched.stuck() is None
        nobody_waits = True
        assert watched.stuck() == "preparing"
    with watched.step("reading") as step:
        step.since -= watch.LIMITS["reading"] + 1
        assert watched.stuck() == "reading"
        step.goes_on()
        assert watched.stuck() is None
