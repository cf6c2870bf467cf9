"""What a server says about itself: enough to run it, and nothing of what it reads."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import logging.config
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client.parser import text_string_to_metric_families

from trocr.serving.http.observing import Observing
from trocr.serving.logs import log, log_config, note
from trocr.serving.metrics import Metrics

SECRET = "Rosebud"


@dataclass
class Stats:
    lines: int = 70
    pages: int = 3
    batches: int = 4
    batch_rows: int = 66
    restarts: int = 1
    stage_seconds: dict[str, float] = field(default_factory=lambda: {"layout": 1.5})


@dataclass
class Pool:
    alive: int = 2
    ready: bool = True
    waiting: int = 5
    waiting_bytes: int = 1234
    stats: Stats = field(default_factory=Stats)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(Pool(), lambda: {"reading": 1, "done": 2})


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What goes to standard error, as the server sets logging up."""
    stream = io.StringIO()
    config = log_config()
    config["handlers"]["stderr"]["stream"] = stream
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logging.config.dictConfig(config)
    yield stream
    root.handlers, root.level = handlers, level
    for name in ("trocr", "uvicorn", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def samples(metrics: Metrics) -> dict[str, float]:
    """By name and labels, as a scraper has them."""
    content, media_type = metrics.exposition()
    assert media_type.startswith("text/plain")
    return {
        ",".join(
            [sample.name, *(value for _, value in sorted(sample.labels.items()))]
        ): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def small_app() -> FastAPI:
    app = FastAPI()

    @app.post("/v1/jobs/{job_id}")
    async def read(job_id: str, request: Request) -> PlainTextResponse:
        await request.body()
        note(pages=2, lines=40, name=job_id)
        log("task-accepted", {"reason": "fine"})
        return PlainTextResponse(SECRET)

    @app.get("/v1/read")
    @app.get("/readyz")
    async def busy() -> Response:
        return Response(status_code=503)

    @app.get("/mistake")
    async def mistake() -> None:
        try:
            raise ValueError(SECRET)
        except ValueError:
            log("mistake", level=logging.ERROR, error=True)
            raise

    return app


def ask(metrics: Metrics, method: str, path: str, **arguments: Any) -> httpx2.Response:
    async def once() -> httpx2.Response:
        transport = httpx2.ASGITransport(
            Observing(small_app(), metrics), raise_app_exceptions=False
        )
        async with httpx2.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.request(method, path, **arguments)

    return asyncio.run(once())


def test_a_request_is_one_line_without_content(metrics: Metrics, logged: io.StringIO) -> None:
    path = f"/v1/jobs/{SECRET}?password={SECRET}"
    headers = {"X-Request-ID": "abc-1", "X-API-Key": SECRET}
    answer = ask(metrics, "POST", path, content=SECRET * 3, headers=headers)
    assert answer.headers["X-Request-ID"] == "abc-1"
    task, request = lines(logged)
    assert task["request_id"] == "abc-1"
    assert request.pop("seconds") >= 0
    assert request.pop("time").endswith("+00:00")
    assert request == {
        "level": "info",
        "event": "request",
        "request_id": "abc-1",
        "method": "POST",
        "route": "/v1/jobs/{job_id}",
        "status": 200,
        "bytes": 21,
        "pages": 2,
        "lines": 40,
    }
    assert SECRET not in logged.getvalue()


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "<script>", 'a"b'])
def test_a_strange_request_id_is_replaced(
    given: str, metrics: Metrics, logged: io.StringIO
) -> None:
    answer = ask(metrics, "GET", "/nowhere", headers={"X-Request-ID": given})
    made = answer.headers["X-Request-ID"]
    assert len(made) == 32
    assert lines(logged)[-1]["request_id"] == made


def test_a_mistake_shows_where_but_not_what(metrics: Metrics, logged: io.StringIO) -> None:
    assert ask(metrics, "GET", "/mistake").status_code == 500
    entry = next(entry for entry in lines(logged) if entry["event"] == "mistake")
    assert entry["error"] == "ValueError"
    assert __file__ in entry["trace"][-1]
    assert lines(logged)[-1]["status"] == 500
    assert SECRET not in logged.getvalue()


def test_records_of_other_packages_lose_their_arguments(logged: io.StringIO) -> None:
    logging.getLogger("somebody").warning("cannot open %s", SECRET)
    logging.getLogger("asyncio").error(f"Task failed\nfuture: {SECRET}")
    logging.getLogger("uvicorn.access").info('"GET /?%s"', SECRET)
    logging.getLogger("uvicorn.error").info("Uvicorn running on %s", "http://0.0.0.0:8000")
    events = [entry["event"] for entry in lines(logged)]
    assert events == ["cannot open %s", "Task failed", "Uvicorn running on http://0.0.0.0:8000"]


def test_requests_are_counted_by_pattern(metrics: Metrics, logged: io.StringIO) -> None:
    for number in range(3):
        ask(metrics, "POST", f"/v1/jobs/{number}")
    ask(metrics, "BREW", f"/{SECRET}")
    for path in ("/v1/read", "/readyz"):
        ask(metrics, "GET", path)
    metrics.accepted("job")
    found = samples(metrics)
    assert found["trocr_requests_total,POST,/v1/jobs/{job_id},200"] == 3
    assert found["trocr_requests_total,other,other,404"] == 1
    assert found["trocr_request_seconds_count,/v1/jobs/{job_id}"] == 3
    assert found["trocr_requests_refused_total,unavailable"] == 1
    assert found["trocr_tasks_accepted_total,job"] == 1
    assert found["trocr_requests_in_flight"] == 0
    assert not [name for name in found if SECRET in name]


def test_the_pool_and_the_jobs_are_asked_at_each_scrape() -> None:
    pool = Pool()
    metrics = Metrics(pool, lambda: {"done": 2})
    expected = {
        "trocr_workers_alive": 2,
        "trocr_ready": 1,
        "trocr_queue_tasks": 5,
        "trocr_queue_bytes": 1234,
        "trocr_lines_read_total": 70,
        "trocr_pages_read_total": 3,
        "trocr_batches_total": 4,
        "trocr_batch_rows_total": 66,
        "trocr_worker_restarts_total": 1,
        "trocr_stage_seconds_total,layout": 1.5,
        "trocr_jobs,done": 2,
    }
    found = samples(metrics)
    assert {name: found[name] for name in expected} == expected
    pool.waiting = 6
    assert samples(metrics)["trocr_queue_tasks"] == 6


def test_two_servers_in_a_process_count_for_themselves() -> None:
    one, other = (Metrics(Pool(), dict) for _ in range(2))
    one.refused("busy")
    assert "trocr_requests_refused_total,busy" not in samples(other)


def test_open_metrics_where_a_scraper_asks_for_it(metrics: Metrics) -> None:
    content, media_type = metrics.exposition("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert content.endswith(b"# EOF\n")
