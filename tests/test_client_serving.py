"""The client and the server's HTTP side together, and that nothing of it is logged."""

from __future__ import annotations

import contextlib
import io
import logging
import logging.config
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from serving_fakes import PNG, usual
from serving_servers import Running, running

from trocr.client import Client
from trocr.errors import ImageError, ServerError, UsageError
from trocr.serving.logs import log_config
from trocr.serving.messages import Failed, PageFailed, PageRead, Task
from trocr.serving.settings import ServeSettings

KEY, NAME, PASSWORD = "Key-of-Kane", "Rosebud.png", "Xanadu-é"
TEXT = "TOTAL"  # what the fakes read
URL = "https://example.org/Thatcher.pdf"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(ServeSettings(models=("printed", "fast"), api_keys=(KEY,))) as server:
        yield server


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with Client(server.url, KEY, timeout=10, retries=1) as client:
        yield client


def test_documents_and_files(client: Client) -> None:
    document = client.read(PNG, model="fast", pages="1-2", keep_text=True, dpi=200, words=True)
    assert [line.text for page in document for line in page.lines] == [TEXT]
    assert client.read(PNG, "pdf")


def test_lines(client: Client) -> None:
    one, other = client.read_lines([PNG, PNG], n_best=2, words=True, seconds=3)
    assert one.text == other.text == TEXT
    assert [candidate.text for candidate in one.n_best] == [TEXT]
    assert one.words[0].box == (10, 10, 60, 30)
    with pytest.raises(ImageError, match="is no picture"):
        client.read_lines([b"broken"])


def test_jobs(client: Client) -> None:
    job = client.submit(PNG, model="fast")
    assert [event.kind for event in job.events()] == ["page-started", "line", "page", "done"]
    status = job.wait()
    assert (status.status, status.model, status.pages_done) == ("done", "fast", 1)
    assert [event.kind for event in job.events(after="3")] == ["done"]
    assert client.job(job.id).document().text == TEXT
    assert job.export("alto", password=PASSWORD)
    job.cancel()
    with pytest.raises(UsageError, match="no such job"):
        job.status()


def test_what_the_server_refuses(server: Running, client: Client) -> None:
    with pytest.raises(UsageError, match="no model"):
        client.read(PNG, model="huge")
    with pytest.raises(UsageError, match="n_best"):
        client.read(PNG, n_best=2)
    with pytest.raises(ImageError, match="is no picture"):
        client.read(b"broken")
    with Client(server.url) as stranger, pytest.raises(UsageError, match="API key"):
        stranger.models()


def test_models_and_health(client: Client) -> None:
    assert client.models() == ["printed", "fast"]
    assert client.ready()


def test_jobs_that_fail() -> None:
    def fails(task: Task) -> list[PageFailed | Failed]:
        return [PageFailed(1, "Page 1 is damaged.", ""), Failed("ImageError", "No.", "Why.")]

    with running(ServeSettings(), fails) as server, Client(server.url) as client:
        job = client.submit(PNG)
        events = list(job.events())
        assert [event.kind for event in events] == ["page-failed", "failed"]
        with pytest.raises(ImageError, match="No"):
            job.wait()
        assert job.status().pages_failed[0]["number"] == 1


@pytest.mark.parametrize("kind", ["WorkerLost", "Deadline", "Internal"])
def test_what_is_the_servers_fault(kind: str) -> None:
    script = [Failed(kind, "It went wrong.")]
    with (
        running(ServeSettings(), lambda task: script) as server,
        Client(server.url, retries=0) as client,
        pytest.raises(ServerError),
    ):
        client.read(PNG)


def test_nothing_that_is_read_or_named_is_logged() -> None:
    stream = io.StringIO()
    config = log_config("debug")
    config["handlers"]["stderr"]["stream"] = stream
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def goes_wrong(task: Task) -> Iterable[Any]:
        return [PageRead(TEXT)]  # no page: a mistake of ours

    logging.config.dictConfig(config)
    try:
        for script in (usual, goes_wrong):
            with running(ServeSettings(api_keys=(KEY,), urls=False), script) as server:
                use_everything(server)
    finally:
        root.handlers, root.level = handlers, level
        for name in ("trocr", "uvicorn", "uvicorn.access"):
            logging.getLogger(name).setLevel(logging.NOTSET)
            logging.getLogger(name).propagate = True
    logged = stream.getvalue()
    assert '"event": "request"' in logged
    assert '"event": "mistake"' in logged
    for secret in (KEY, NAME, PASSWORD, "Xanadu", URL, "Thatcher", TEXT, "Susan"):
        assert secret not in logged


def use_everything(server: Running) -> None:
    """Names, passwords, rules, URLs and keys, good and bad."""
    named = io.BytesIO(PNG)
    named.name = NAME
    with Client(server.url, KEY, retries=0) as client:
        for ask in (
            lambda: client.read(named, password=PASSWORD, lexicon=["Susan"]),
            lambda: client.read(URL),
            lambda: client.read(b"broken", model="Susan"),
            lambda: client.read_lines([b"broken"], regex="Susan"),
            lambda: list(client.submit(named, password=PASSWORD).events()),
            lambda: client.job("Susan").status(),
        ):
            named.seek(0)
            with contextlib.suppress(ImageError, ServerError, UsageError):
                ask()
    with Client(server.url, KEY + "?") as stranger, pytest.raises(UsageError):
        stranger.models()
