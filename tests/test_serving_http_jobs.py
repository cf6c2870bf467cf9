"""Jobs, on fakes."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from serving_clients import PNG, Make, making, problem
from serving_fakes import PAGE, usual
from serving_fakes import PNG as PICTURE

from trocr.serving.http.event_log import EventLog
from trocr.serving.http.jobs_folder import JobsFolder
from trocr.serving.messages import Done, Export, Failed, PageFailed, PageRead, PageStarted

make = pytest.fixture(making)


def submitted(client: Any, **options: Any) -> str:
    """The path of a new job."""
    answer = client.post("/v1/jobs", content=b"abc", headers=PNG, **options)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["url"]
    return str(answer.json()["url"])


def ended(client: Any, path: str) -> dict[str, Any]:
    """Its status when it is not read any more."""
    end = time.monotonic() + 10
    while (status := client.get(path).json())["status"] in ("queued", "reading"):
        assert time.monotonic() < end
        time.sleep(0.01)
    return dict(status)


def events(client: Any, path: str, headers: dict[str, str] | None = None) -> list[Any]:
    """Number, name and data of each event of a job, to its end."""
    text = client.get(f"{path}/events", headers=headers or {}).text
    found = []
    for block in text.split("\n\n"):
        rows = [row for row in block.split("\n") if row and not row.startswith(":")]
        fields = dict(row.split(": ", 1) for row in rows)
        if fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def test_a_job_from_start_to_end(make: Make) -> None:
    client = make()
    path = submitted(client, params={"name": "scan.png", "model": "fast"})
    status = ended(client, path)
    assert status["status"] == "done"
    assert (status["name"], status["model"], status["pages_done"]) == ("scan.png", "fast", 1)
    assert status["created"] < status["expires"]
    happened = events(client, path)
    assert [name for _, name, _ in happened] == ["page-started", "line", "page", "done"]
    started, line, page, done = (data for _, _, data in happened)
    assert started == {"page": 1, "width": 100, "height": 200, "lines": 1}
    assert (line["page"], line["index"], line["line"]["text"]) == (1, 0, "TOTAL")
    assert line["line"]["polygon"] == [[10, 10], [60, 10], [60, 30], [10, 30]]
    (whole,) = page["lines"]
    assert whole["words"] == [{"text": "TOTAL", "confidence": 0.9, "box": [10, 10, 60, 30]}]
    assert done == {"pages": 1, "failed": 0}
    picture = client.get(f"{path}/pages/1")
    assert (picture.content, picture.headers["content-type"]) == (PICTURE, "image/png")
    document = client.get(f"{path}/document?format=alto")
    assert document.json() == {"format": "alto", "corrections": ""}
    assert document.headers["x-trocr-model"] == "fast"


def test_a_stream_goes_on_where_it_broke_off(make: Make) -> None:
    client = make()
    path = submitted(client)
    ended(client, path)
    numbers = [number for number, _, _ in events(client, path)]
    assert numbers == [1, 2, 3, 4]
    assert [n for n, _, _ in events(client, path, {"Last-Event-ID": "2"})] == [3, 4]
    text = client.get(f"{path}/events?after=3").text
    assert "id: 3" not in text
    assert "id: 4" in text
    for strange in ("-1", "²", "99999999999999999999", "x" * 50):
        answer = client.get(f"{path}/events", headers={"Last-Event-ID": strange.encode()})
        assert answer.status_code == 200


def test_events_come_while_the_job_is_read(make: Make) -> None:
    go = asyncio.Event()
    client = make(lambda task: [PageStarted(1, 9, 9, 1), go, PageRead(PAGE), Done()])
    path, seen = submitted(client), threading.Event()
    received: list[str] = []

    def listen() -> None:
        for name in [name for _, name, _ in events(client, path)]:
            received.append(name)
        seen.set()

    assert client.get(path).json()["status"] in ("queued", "reading")
    problem(client.get(f"{path}/document"), 409, "not-done")
    problem(client.put(f"{path}/corrections", json={"lines": []}), 409, "not-done")
    problem(client.get(f"{path}/training-set"), 409, "not-done")
    problem(client.get(f"{path}/pages/1"), 404, "no-page")
    listener = threading.Thread(target=listen)
    listener.start()
    client.portal.call(go.set)  # type: ignore[union-attr]
    assert seen.wait(10)
    assert received == ["page-started", "page", "done"]


def test_a_job_that_fails_and_one_that_fails_in_part(make: Make) -> None:
    client = make(lambda task: [Failed("ImageError", "No picture.", "Look.")])
    status = ended(client, path := submitted(client))
    assert status["status"] == "failed"
    assert status["error"] == {"detail": "No picture.", "hint": "Look."}
    assert events(client, path) == [(1, "failed", {"detail": "No picture.", "hint": "Look."})]
    client = make(lambda task: [PageFailed(2, "No.", "Yes."), PageRead(PAGE), Done()])
    status = ended(client, path := submitted(client))
    assert status["status"] == "done"
    assert status["pages_failed"] == [{"number": 2, "detail": "No.", "hint": "Yes."}]
    failed, _, done = events(client, path)
    assert failed[1:] == ("page-failed", {"page": 2, "detail": "No.", "hint": "Yes."})
    assert done[2] == {"pages": 1, "failed": 1}


def test_corrections(make: Make) -> None:
    client = make()
    path = submitted(client)
    ended(client, path)
    assert client.get(f"{path}/corrections").json() == {"lines": []}
    problem(client.get(f"{path}/training-set"), 409, "no-corrections")
    lines = [
        {"page": 1, "line": 12, "read": "Tota1", "text": "Tot\tal\n9", "mark": "ok"},
        {"page": 3, "line": 1, "read": "|", "text": "", "mark": "not-text"},
    ]
    assert client.put(f"{path}/corrections", json={"lines": lines}).json() == {"lines": lines}
    assert client.get(f"{path}/corrections").json() == {"lines": lines}
    table = client.get(f"{path}/document?format=alto").json()["corrections"]
    assert table.splitlines() == [
        "line\tread\ttext\tmark",
        "document/document_0012\tTota1\tTot al 9\tok",
        "document-p3/document-p3_0001\t|\t\tnot-text",
    ]
    made = client.get(f"{path}/training-set")
    assert made.json() == {"format": "training-set", "corrections": table}
    client.put(f"{path}/corrections", json={"lines": []})
    problem(client.get(f"{path}/training-set"), 409, "no-corrections")
    assert isinstance(client.pool.tasks[-1], Export)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"lines": [{"page": 0, "line": 1, "read": "", "text": ""}]}',
        b'{"lines": [{"page": 1, "line": 1, "read": "", "text": "", "mark": "no"}]}',
        b'{"lines": [{"page": 1, "line": 1, "read": "", "text": "\\ud800"}]}',
        b'{"lines": [{"page": 1e99, "line": 1, "read": "", "text": ""}]}',
        b'{"lines": [], "more": 1}',
    ],
)
def test_corrections_that_are_none(make: Make, body: bytes) -> None:
    client = make()
    path = submitted(client)
    ended(client, path)
    problem(client.put(f"{path}/corrections", content=body), 422, "body")
    assert client.get(f"{path}/corrections").json() == {"lines": []}


def test_a_job_is_forgotten_when_it_is_deleted(make: Make) -> None:
    client = make(lambda task: [30.0, *usual(task)])
    path = submitted(client)
    folder = client.pool.tasks[0].folder.parent
    assert folder.stat().st_mode & 0o077 == 0 or folder.parent.stat().st_mode & 0o077 == 0
    assert client.delete(path).status_code == 204
    assert client.pool.runs[0].cancelled
    assert not folder.exists()
    for answer in (client.get(path), client.delete(path), client.get(f"{path}/events")):
        problem(answer, 404, "no-job")


def test_jobs_are_named_unguessably(make: Make) -> None:
    client = make()
    ids = {submitted(client).rpartition("/")[2] for _ in range(20)}
    assert len(ids) == 20
    assert all(len(id) >= 24 for id in ids)
    for id in ("..", "%2e%2e%2f", "x" * 101, "%00", "é"):
        assert client.get(f"/v1/jobs/{id}").status_code in (404, 405, 422)


def test_a_job_belongs_to_its_key(make: Make) -> None:
    client = make(api_keys=("ours", "theirs"))
    ours, theirs = ({"X-API-Key": key} for key in ("ours", "theirs"))
    path = client.post("/v1/jobs", content=b"abc", headers={**PNG, **ours}).json()["url"]
    asked = [("GET", ""), ("GET", "/events"), ("GET", "/pages/1"), ("GET", "/document")]
    asked += [("GET", "/corrections"), ("PUT", "/corrections"), ("GET", "/training-set")]
    for method, rest in [*asked, ("DELETE", "")]:
        answer = client.request(method, path + rest, headers=theirs, json={"lines": []})
        problem(answer, 404, "no-job")
    assert client.get(path, headers=ours).status_code == 200
    assert client.get(f"{path}/events", headers={"Authorization": "Bearer ours"}).status_code == 200


def test_there_is_room_for_so_many_jobs(make: Make) -> None:
    client = make(max_jobs=2)
    first, second = submitted(client), submitted(client)
    for path in (first, second):
        ended(client, path)
    client.get(first)  # the second is the one that was not used for longest
    third = submitted(client)
    ended(client, third)
    assert client.get(second).status_code == 404
    corrections = {"lines": [{"page": 1, "line": 1, "read": "a", "text": "b"}]}
    for path in (first, third):  # a person's work is not thrown away
        client.put(f"{path}/corrections", json=corrections)
    answer = client.post("/v1/jobs", content=b"a", headers=PNG)
    problem(answer, 429, "busy")
    assert 3000 < int(answer.headers["retry-after"]) <= 3600


def test_jobs_are_forgotten_after_a_while(make: Make) -> None:
    client = make(job_keep_seconds=0.2)
    path = submitted(client)
    folder = client.pool.tasks[0].folder
    end = time.monotonic() + 10
    while folder.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert client.get(path).status_code == 404


def test_nothing_is_left_on_disk(make: Make) -> None:
    client = make()
    path = submitted(client)
    ended(client, path)
    root: Path = client.pool.tasks[0].folder.parent.parent
    assert root.exists()
    client.__exit__(None, None, None)
    assert not root.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="has no such locks")
def test_what_a_killed_server_left_is_removed(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    script = (
        "import os; from trocr.serving.http.jobs_folder import JobsFolder; ours = JobsFolder();"
        "print(ours.path, flush=True); os._exit(9)"
    )
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    left, living, other = Path(done.stdout.strip()), JobsFolder(), tmp_path / "trocr-jobs-other"
    assert left.parent == tmp_path
    (left / "job").mkdir()
    other.mkdir()
    make()
    end = time.monotonic() + 10
    while left.exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert living.path.exists()
    assert other.exists()  # nothing says that it is a server's
    living.remove()
    assert not living.path.exists()


def test_a_busy_pool_refuses_jobs_and_none_is_left(make: Make) -> None:
    client = make(lambda task: [30.0, Done()], max_waiting=1)
    submitted(client)
    problem(client.post("/v1/jobs", content=b"a", headers=PNG), 429, "busy")
    answer = client.get("/metrics").text
    assert 'trocr_jobs{status="queued"} 1.0' in answer
    assert 'trocr_tasks_accepted_total{kind="job"} 1.0' in answer


def test_the_log_of_a_job_is_read_by_many(tmp_path: Path) -> None:
    async def go() -> None:
        log = EventLog(tmp_path / "events")

        async def all_after(number: int) -> list[Any]:
            return [entry async for entry in log.read(number)]

        log.append("a", "é 1\u2028".encode())
        readers = [asyncio.create_task(all_after(number)) for number in (0, 1, 9)]
        await asyncio.sleep(0)
        log.append("b", b"{}")
        (tmp_path / "events").unlink()
        await asyncio.sleep(0)
        log.append("c", b"")
        log.close()
        found = [await reader for reader in readers]
        assert found[0] == [(1, "a", "é 1\u2028"), (2, "b", "{}"), (3, "c", "")]
        assert found[1] == found[0][1:]
        assert found[2] == []

    asyncio.run(go())
