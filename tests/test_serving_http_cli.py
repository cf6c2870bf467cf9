"""``trocr serve``: options, and a whole server with the model that is fastest."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from trocr.cli import main
from trocr.readers import read_document
from trocr.serving.http import server as serving
from trocr.serving.settings import ServeSettings

EXAMPLES = Path(__file__).parent.parent / "examples"
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be served: settings, host and port."""
    asked: list[Any] = []
    monkeypatch.delenv("TROCR_API_KEYS", raising=False)
    monkeypatch.setattr(serving, "serve", lambda *given, **options: asked.extend(given))
    return asked


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main(["serve", *map(str, arguments)])
    return int(exit_info.value.code or 0)


def test_by_default_only_this_machine_is_served(
    served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert served == [ServeSettings(), "127.0.0.1", 8000]
    assert capsys.readouterr().err == ""


def test_options_are_settings(
    served: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text("one\n\ntwo\n")
    monkeypatch.setenv("TROCR_API_KEYS", "three,one")
    code = run(
        "--host", "0.0.0.0", "--port", 9, "--model", "fast", "--model", "mine/model",
        "--device", "cpu", "--device", "cuda:1", "--workers", 2, "--max-body-mib", 0.5,
        "--max-waiting", 3, "--seconds", 5, "--api-key-file", keys, "--origin", "https://a.example",
        "--no-urls", "--grace", 2.5, "--batch-size", 8, "--max-pages", 7, "--job-keep-seconds", 60,
    )  # fmt: skip
    assert code == 0
    wanted = ServeSettings(
        models=("fast", "mine/model"),
        devices=("cpu", "cuda:1"),
        workers=2,
        batch_size=8,
        max_body_bytes=1 << 19,
        max_pages=7,
        max_waiting=3,
        seconds=5.0,
        job_keep_seconds=60.0,
        urls=False,
        api_keys=("three", "one", "two"),
        origins=("https://a.example",),
        grace_seconds=2.5,
    )
    assert served == [wanted, "0.0.0.0", 9]


def test_a_server_for_all_without_keys_is_warned_of(
    served: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    for host in ("0.0.0.0", "::", "example.org"):
        assert run("--host", host) == 0
        assert "--api-key-file" in capsys.readouterr().err
    for host in ("localhost", "::1", "127.0.0.2"):
        assert run("--host", host) == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--api-key-file", "none.txt"], "none.txt"),
        (["--api-key-file", os.devnull], "no API key"),
        (["--seconds", "0"], "--seconds"),
        (["--max-body-mib", "nan"], "--max-body-mib"),
        (["--grace", "inf"], "--grace"),
        (["--log-level", "loud"], "loud"),
        (["--port", "99999"], "--port"),
    ],
)
def test_wrong_usage(
    served: list[Any], capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(*arguments) == 2
    assert words in capsys.readouterr().err
    assert not served


def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("trocr.serving.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert run() == 2
    assert "trocr[serve]" in capsys.readouterr().err


def test_an_address_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert run("--port", other.getsockname()[1]) == 2
    assert "--port" in capsys.readouterr().err
    assert run("--host", "nowhere.invalid") == 2


@dataclass
class Process:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    url: str
    errors: list[str]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


def start(*options: str) -> Process:
    """A server that is ready."""
    command = [sys.executable, "-m", "trocr", "serve", "--port", "0", "--model", "fast", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    errors: list[str] = []
    assert process.stderr
    for row in process.stderr:
        errors.append(row)
        if found := re.match(r"trocr: ready at (http://127\.0\.0\.1:\d+) \(fast\)", row):
            rest = threading.Thread(target=errors.extend, args=(process.stderr,), daemon=True)
            rest.start()
            return Process(process, found[1], errors)
    raise AssertionError("".join(errors))


@pytest.fixture(scope="module")
def server() -> Iterator[Process]:
    server = start()
    yield server
    assert server.stop() == 0
    assert not [row for row in server.errors if '"level": "error"' in row]


@pytest.mark.slow
def test_a_page_is_read_as_it_is_here(server: Process) -> None:
    content = (EXAMPLES / "receipt.jpg").read_bytes()
    files = {"file": ("receipt.jpg", content)}
    answer = httpx2.post(f"{server.url}/v1/read", files=files, timeout=60)
    assert answer.status_code == 200, answer.text
    document = read_document(answer.content)
    assert document.source == "receipt.jpg"
    assert len(list(document.pages[0].lines)) > 20
    text = httpx2.post(f"{server.url}/v1/read?format=txt", files=files, timeout=60).text
    assert text.rstrip("\n") == document.text


@pytest.mark.slow
def test_lines_are_read(server: Process) -> None:
    line = (EXAMPLES / "receipt-line.png").read_bytes()
    files = [("files", ("line.png", line)), ("files", ("broken.png", b"broken"))]
    answer = httpx2.post(f"{server.url}/v1/lines?words=true", files=files, timeout=60).json()
    read, broken = answer["lines"]
    assert read["text"] == "104 COTTON GLOVE (DOZEN)"
    assert [word["text"] for word in read["words"]] == read["text"].split()
    assert "broken.png" in broken["error"]["detail"]


@pytest.mark.slow
def test_what_a_worker_refuses(server: Process) -> None:
    def refused(status: int, query: str = "", **body: Any) -> None:
        answer = httpx2.post(f"{server.url}/v1/read?{query}", timeout=60, **body)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"]

    line = (EXAMPLES / "receipt-line.png").read_bytes()
    refused(422, content=b"no picture", headers=PNG)
    refused(400, "regex=(", content=line, headers=PNG)
    refused(422, json={"url": f"{server.url}/static/icon.svg"})
    refused(422, json={"url": "http://169.254.169.254/latest/meta-data"})
    refused(422, json={"url": "http://[::ffff:127.0.0.1]/"})


@pytest.mark.slow
def test_a_job_is_corrected_and_exported(server: Process) -> None:
    content = (EXAMPLES / "receipt-line.png").read_bytes()
    job = httpx2.post(f"{server.url}/v1/jobs?name=a.png", content=content, headers=PNG).json()
    path = server.url + job["url"]
    events = httpx2.get(f"{path}/events", timeout=60).text
    assert "event: done" in events
    assert httpx2.get(f"{path}/pages/1").headers["content-type"].startswith("image/")
    lines = [{"page": 1, "line": 1, "read": "104 COTTON GLOVE (DOZEN)", "text": "105 GLOVES"}]
    assert httpx2.put(f"{path}/corrections", json={"lines": lines}).status_code == 200
    assert httpx2.get(f"{path}/document?format=txt").text == "105 GLOVES\n"
    made = httpx2.get(f"{path}/training-set")
    assert made.headers["content-type"] == "application/zip"
    assert made.content.startswith(b"PK")
    for format in ("json", "alto", "pdf", "html", "hocr", "page", "overlay", "tsv", "md", "jsonl"):
        assert httpx2.get(f"{path}/document?format={format}").status_code == 200, format
    assert httpx2.delete(path).status_code == 204


@pytest.mark.slow
def test_it_finishes_what_it_accepted() -> None:
    server = start()
    content = (EXAMPLES / "receipt.jpg").read_bytes()
    answers: list[Any] = []

    def post() -> None:
        files = {"file": ("receipt.jpg", content)}
        answers.append(httpx2.post(f"{server.url}/v1/read?format=txt", files=files, timeout=60))

    poster = threading.Thread(target=post)
    poster.start()
    end = time.monotonic() + 20
    while "trocr_queue_tasks 1.0" not in httpx2.get(f"{server.url}/metrics").text:
        assert time.monotonic() < end
    job = httpx2.post(f"{server.url}/v1/jobs", content=content, headers=PNG).json()
    with httpx2.stream("GET", f"{server.url}{job['url']}/events", timeout=60) as stream:
        server.process.terminate()
        rows = list(stream.iter_lines())
    assert "event: done" in rows
    poster.join(60)
    assert answers[0].status_code == 200
    assert server.process.wait(30) == 0


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_ends_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trocr", "serve", "--port", "0", "--model", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4
    assert str(tmp_path) in done.stderr
    assert "Traceback" not in done.stderr
