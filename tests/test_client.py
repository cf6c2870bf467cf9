"""The client against a server on loopback that answers what each test tells it to."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import trocr
from trocr.client import Client
from trocr.document import Document, Line, Page, Region
from trocr.errors import DataError, ImageError, ServerError, TrOCRError, UsageError
from trocr.writers import render

DOCUMENT = Document((Page(40, 20, (Region((Line("SOLD TO"),)),)),), source="a.png", model="fast")
JSON = render(DOCUMENT, "json")
STATUS = {
    "id": "j1",
    "name": "a.png",
    "model": "fast",
    "status": "reading",
    "pages_done": 0,
    "pages_failed": [],
    "created": "2026-11-23T21:00:00Z",
}


def problem(
    status: int, detail: str, hint: str = "", kind: str = "some", **headers: str
) -> Response:
    content = {"type": f"urn:trocr:{kind}", "status": status, "detail": detail, "hint": hint}
    return JSONResponse(content, status, headers, "application/problem+json")


class Server:
    """Answers each request with the next of ``answers``, and keeps what was asked."""

    def __init__(self) -> None:
        self.answers: list[Response] = []
        self.asked: list[tuple[Request, bytes]] = []
        routes = [Route("/{path:path}", self.answer, methods=["GET", "POST", "DELETE"])]
        config = uvicorn.Config(Starlette(routes=routes), log_level="critical")
        self._server = uvicorn.Server(config)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    async def answer(self, request: Request) -> Response:
        self.asked.append((request, await request.body()))
        return self.answers.pop(0)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    running.answers, running.asked = [], []
    yield running
    assert not running.answers


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url, timeout=5) as client:
        yield client


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_document_comes_back(server: Server, client: Client, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"png")
    server.answers = [Response(JSON)]
    document = client.read(path, model="fast", pages="1-3", keep_text=True, lexicon=["a", "b"])
    assert document == DOCUMENT
    request, body = server.asked[0]
    assert request.url.path == "/v1/read"
    assert sorted(request.query_params.multi_items()) == [
        ("format", "json"),
        ("keep_text", "true"),
        ("lexicon", "a"),
        ("lexicon", "b"),
        ("model", "fast"),
        ("pages", "1-3"),
    ]
    assert b'name="file"; filename="a.png"' in body
    assert b"\r\n\r\npng\r\n" in body


def test_a_format_gives_the_file(server: Server, client: Client) -> None:
    server.answers = [Response(b"%PDF")]
    assert client.read(b"png", "pdf") == b"%PDF"
    assert server.asked[0][0].query_params["format"] == "pdf"


def test_a_url_is_named_and_a_password_stays_out_of_it(server: Server, client: Client) -> None:
    server.answers = [Response(JSON)]
    client.read("https://example.com/a.pdf", password="geheim")
    request, body = server.asked[0]
    assert json.loads(body) == {"url": "https://example.com/a.pdf"}
    assert request.headers["X-Document-Password"] == "geheim"
    assert "geheim" not in str(request.url)


def test_pages_that_failed_are_warned_about(server: Server, client: Client) -> None:
    server.answers = [Response(JSON, headers={"X-Trocr-Failed-Pages": "2,5"})]
    with pytest.warns(UserWarning, match=r"2,5"):
        client.read(b"pdf")


def test_lines_become_results(server: Server, client: Client) -> None:
    first = {"name": "1", "text": "SOLD", "confidence": 0.5, "finish_reason": "eos"}
    words = [{"text": "TO", "confidence": None, "box": [1, 2, 3, 4]}]
    n_best = [{"text": "TO", "confidence": 0.9}, {"text": "T0", "confidence": 0.1}]
    second = {**first, "text": "TO", "confidence": 0.9, "words": words, "n_best": n_best}
    server.answers = [JSONResponse({"model": "fast", "lines": [first, second]})]
    picture = Image.new("RGB", (9, 9), "white")
    file = io.BytesIO(b"in a file")
    one, other = client.read_lines([picture, file], n_best=2, words=True)
    assert (one.text, one.confidence, one.words) == ("SOLD", 0.5, ())
    assert other.words[0].box == (1, 2, 3, 4)
    assert [candidate.text for candidate in other.n_best] == ["TO", "T0"]
    body = server.asked[0][1]
    assert body.count(b'name="files"') == 2
    assert b"\x89PNG" in body
    assert client.read_lines([]) == []


def test_a_line_that_cannot_be_read_is_an_error(server: Server, client: Client) -> None:
    error = {"title": "ImageError", "detail": "a.png is empty.", "hint": "Copy it again."}
    server.answers = [JSONResponse({"model": "fast", "lines": [{"name": "a.png", "error": error}]})]
    with pytest.raises(ImageError, match=r"a\.png is empty") as raised:
        client.read_lines([b""])
    assert raised.value.hint == "Copy it again."


def test_a_missing_file_asks_nothing(server: Server, client: Client) -> None:
    with pytest.raises(ImageError, match=r"missing.png cannot be read"):
        client.read("missing.png")
    assert not server.asked


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "usage-error", UsageError),
        (400, "data-error", DataError),
        (401, "key", UsageError),
        (413, "too-large", UsageError),
        (422, "image-error", ImageError),
        (422, "parameters", UsageError),
        (500, "internal", ServerError),
        (504, "deadline", ServerError),
    ],
)
def test_problems_become_errors_and_are_not_tried_again(
    status: int, kind: str, error: type[TrOCRError], server: Server, client: Client
) -> None:
    server.answers = [problem(status, "It cannot be.", "Do without.", kind)]
    with pytest.raises(error) as raised:
        client.models()
    assert type(raised.value) is error
    assert (raised.value.message, raised.value.hint) == ("It cannot be.", "Do without.")
    assert len(server.asked) == 1


def test_an_error_of_something_in_between(server: Server, client: Client) -> None:
    server.answers = [Response("<html>", 502)]
    with pytest.raises(ServerError, match="answered 502"):
        client.models()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(
    status: int, server: Server, client: Client
) -> None:
    busy = problem(status, "Busy.", **{"Retry-After": "1"})
    server.answers = [busy, Response(JSON)]
    began = time.monotonic()
    assert client.read(b"png") == DOCUMENT
    assert time.monotonic() - began >= 1
    assert server.asked[0][1].count(b"png") == server.asked[1][1].count(b"png") == 1


def test_a_pause_past_the_deadline_is_not_made(server: Server, client: Client) -> None:
    server.answers = [problem(429, "Busy.", **{"Retry-After": "6"})]
    began = time.monotonic()
    with pytest.raises(ServerError, match=r"Busy\."):
        client.read(b"png")
    assert time.monotonic() - began < 1


def test_tries_come_to_an_end(server: Server) -> None:
    server.answers = [problem(503, "Busy.") for _ in range(3)]
    with Client(server.url, retries=2) as client, pytest.raises(ServerError):
        client.read(b"png")


def test_a_server_that_comes_up_is_waited_for(server: Server) -> None:
    port = free_port()
    late = socket.socket()

    def forward() -> None:
        time.sleep(0.4)
        late.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        late.bind(("127.0.0.1", port))
        late.listen()
        connection, _ = late.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        connection.close()

    thread = threading.Thread(target=forward)
    thread.start()
    with Client(f"http://127.0.0.1:{port}", timeout=10) as client, pytest.raises(KeyError):
        client.models()  # there was an answer: an empty object
    thread.join()
    late.close()


def test_nobody_there() -> None:
    with (
        Client(f"http://127.0.0.1:{free_port()}", retries=0) as client,
        pytest.raises(ServerError, match="cannot be reached"),
    ):
        client.ready()


def test_a_silent_server_costs_no_more_than_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        with Client(url, timeout=0.5) as client, pytest.raises(ServerError, match="in time"):
            client.models()
        assert time.monotonic() - began < 3


def test_a_job_is_submitted_followed_and_exported(server: Server, client: Client) -> None:
    server.answers = [
        JSONResponse(STATUS, 202),
        JSONResponse(STATUS),
        JSONResponse({**STATUS, "status": "done", "pages_done": 1}),
        Response(JSON),
        Response(b"<alto/>"),
        Response(status_code=204),
    ]
    job = client.submit(b"png", model="fast")
    assert job.id == "j1"
    assert job.wait().pages_done == 1
    assert job.document() == DOCUMENT
    assert job.export("alto", password="geheim") == b"<alto/>"
    assert server.asked[-1][0].headers["X-Document-Password"] == "geheim"
    job.cancel()
    asked = [(request.method, request.url.path) for request, _ in server.asked]
    assert asked[0] == ("POST", "/v1/jobs")
    assert asked[-2:] == [("GET", "/v1/jobs/j1/document"), ("DELETE", "/v1/jobs/j1")]


def test_a_failed_job_says_why(server: Server, client: Client) -> None:
    error = {"detail": "a.png is empty.", "hint": "Copy it again."}
    server.answers = [JSONResponse({**STATUS, "status": "failed", "error": error})]
    with pytest.raises(ImageError, match=r"a\.png is empty"):
        client.job("j1").wait()


def test_waiting_for_a_job_ends(server: Server, client: Client) -> None:
    server.answers = [JSONResponse(STATUS)]
    with pytest.raises(ServerError, match="j1 is reading"):
        client.job("j1").wait(timeout=0)


def event(number: int, kind: str, **data: Any) -> str:
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"


def stream(*parts: str) -> Response:
    async def chunks() -> Any:
        for part in parts:
            yield part

    return StreamingResponse(chunks(), media_type="text/event-stream")


def test_events_go_on_where_the_connection_was_lost(server: Server, client: Client) -> None:
    server.answers = [
        stream(": ping\n\n", event(1, "page-started", page=1), event(2, "line", page=1)),
        stream(event(3, "page", page=1)),
        problem(503, "Starting."),
        stream(event(4, "done", pages=1, failed=0)),
    ]
    events = list(client.job("j1").events())
    assert [each.kind for each in events] == ["page-started", "line", "page", "done"]
    assert events[-1].data == {"pages": 1, "failed": 0}
    last_ids = [request.headers.get("Last-Event-ID") for request, _ in server.asked]
    assert last_ids == [None, "2", "3", "3"]


def test_events_that_never_come_end(server: Server) -> None:
    server.answers = [stream() for _ in range(2)]
    with Client(server.url, retries=1) as client, pytest.raises(ServerError, match="broke off"):
        list(client.job("j1").events())


def test_a_job_that_is_gone_has_no_events(server: Server, client: Client) -> None:
    server.answers = [problem(404, "There is no such job.")]
    with pytest.raises(UsageError, match="no such job"):
        list(client.job("j1").events())


def test_models_keys_and_health(server: Server) -> None:
    models = {"default": "fast", "models": [{"name": "printed"}, {"name": "fast"}]}
    server.answers = [JSONResponse(models), Response(), Response(status_code=503)]
    with Client(server.url, api_key="k3y") as client:
        assert client.models() == ["fast", "printed"]
        assert client.ready()
        assert not client.ready()
    assert server.asked[0][0].headers["Authorization"] == "Bearer k3y"


@pytest.mark.parametrize("arguments", [{"url": "localhost"}, {"timeout": 0}, {"retries": -1}])
def test_what_cannot_work_is_said_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Client(**{"url": "http://localhost", **arguments})


def test_without_httpx2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx2", None)
    with pytest.raises(UsageError, match=r"trocr\[client\]"):
        Client("http://localhost")


def test_the_client_brings_no_torch() -> None:
    script = "import trocr, sys; trocr.Client('http://localhost'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert trocr.Client is Client
