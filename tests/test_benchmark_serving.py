"""The benchmark of serving: its clients, its figures, and the server that it compares with."""

from __future__ import annotations

import asyncio
import importlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from line_models import tiny_recognizer

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.fixture
def serving() -> ModuleType:
    return importlib.import_module("serving")


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that takes two requests at a time and refuses all others."""
    app, free = FastAPI(), [2]

    @app.post("/v1/lines")
    async def lines(request: Request) -> JSONResponse:
        text = (await request.body()).decode()
        if not free[0]:
            return JSONResponse({}, 429)
        free[0] -= 1
        await asyncio.sleep(0.02)
        free[0] += 1
        return JSONResponse({"lines": [{"text": text}]})

    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()


@pytest.fixture
def load(port: int) -> Any:
    module = importlib.import_module("load")
    return module.Load(port, "/v1/lines", [b"one", b"two", b"three"])


def test_clients_wait_for_their_answers(load: Any, serving: ModuleType) -> None:
    answers = asyncio.run(load.closed(2, 0.4))
    assert {answer.status for answer in answers} == {200}
    assert serving.texts_of(answers) == {0: "one", 1: "two", 2: "three"}
    assert all(0.02 <= answer.seconds < 1 for answer in answers)
    assert 10 < len(answers) <= 42


def test_every_line_once(load: Any, serving: ModuleType) -> None:
    answers = asyncio.run(load.each(2))
    assert sorted(answer.number for answer in answers) == [0, 1, 2]


def test_an_open_loop_does_not_wait(load: Any) -> None:
    answers = asyncio.run(load.open(300, 0.5))
    assert 100 < len(answers) < 220
    assert {answer.status for answer in answers} == {200, 429}


def test_nobody_there_is_an_answer_of_its_own() -> None:
    module = importlib.import_module("load")
    answers = asyncio.run(module.Load(1, "/", [b""]).each(1))
    assert [answer.status for answer in answers] == [0]


def test_percentiles(serving: ModuleType) -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [serving.percentile(values, share) for share in (0.01, 0.5, 0.8, 0.99)] == [1, 3, 4, 5]
    assert serving.percentile([], 0.5) == 0


def test_the_table_and_the_gain(serving: ModuleType) -> None:
    rows = [
        serving.Row(label, clients, 90, rate, 10.2, 20.0, 30.0, 12.34)
        for label, rate in ((serving.OURS, 90.0), (serving.ONE, 30.0))
        for clients in (1, 32)
    ]
    assert serving.gains(rows) == {serving.ONE: 3.0}
    facts = {"model": "fast", "lines": 9, "set": "some", "same_percent": 100.0}
    facts |= {"cores": 2, "load_average": 1.0, "overload": {}}
    lines = serving.table(rows, facts).splitlines()
    assert lines[2] == f"| 1 | `{serving.OURS}` | 90.0 | 10 | 20 | 30 | 12.3 |"
    assert len(lines) == 8


def test_the_stored_results_are_those_in_the_documentation(serving: ModuleType) -> None:
    stored = json.loads((ROOT / "benchmarks" / "results" / "serving.json").read_text())
    rows = [serving.Row(**row) for row in stored["rows"]]
    assert serving.table(rows, stored) in serving.PAGE.read_text(encoding="utf-8")


def test_the_other_server_reads_a_line() -> None:
    app = importlib.import_module("one_at_a_time").app_of(tiny_recognizer())
    picture = (ROOT / "examples" / "receipt-line.png").read_bytes()

    async def ask() -> Any:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
            return (await client.post("/v1/lines", content=picture)).json()

    (line,) = asyncio.run(ask())["lines"]
    assert set(line) == {"text", "confidence", "finish_reason"}
