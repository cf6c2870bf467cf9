"""What a full server refuses at the socket, against what it refuses in the usual way."""

from __future__ import annotations

import asyncio
import json
import time

import httpx2
import pytest
from serving_fakes import usual
from serving_servers import request, running

from trocr.serving.http.admission import Admission
from trocr.serving.messages import Busy
from trocr.serving.settings import ServeSettings

LINES = "/v1/lines?model=printed"
USUAL_WAY = "X-Request-ID: seen"


@pytest.fixture
def full():
    """A server that takes one request, and has it."""

    def held(task):
        return [30.0, *usual(task)]

    with running(ServeSettings(max_waiting=1), held) as server, server.connect() as line:
        line.sendall(request("/v1/read", b"abc"))
        end = time.monotonic() + 10
        while not server.pool.running:
            assert time.monotonic() < end
            time.sleep(0.01)
        yield server


def parts(received: bytes) -> tuple[str, dict[str, str], dict]:
    """Status line, header and body of one answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    header = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
    assert len(body) == int(header["content-length"])
    return status, header, json.loads(body)


def test_the_answer_is_the_same_and_the_connection_stays(full):
    with full.connect() as line:
        answers = []
        for more in ((), (), (USUAL_WAY,), ()):
            line.sendall(request(LINES, b"abc", *more))
            answers.append(parts(line.recv(1 << 16)))
        usual_status, usual_header, usual_problem = answers[2]
        assert usual_header.pop("x-request-id") == "seen"
        usual_header.pop("date")
        for status, header, problem in (*answers[:2], answers[3]):
            assert (status, header, problem) == (usual_status, usual_header, usual_problem)
        assert status == "HTTP/1.1 429 Too Many Requests"
        line.sendall(request("/healthz", method="GET"))
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 200")


def test_it_is_counted_and_logged_once_a_second(full, caplog):
    caplog.set_level("INFO", "trocr.serving")
    with full.connect() as line:
        for _ in range(5):
            line.sendall(request(LINES, b"abc", "Connection: keep-alive"))
            assert b" 429 " in line.recv(1 << 16)
    numbers = httpx2.get(f"{full.url}/metrics").text
    assert 'trocr_requests_refused_total{reason="busy"} 5.0' in numbers
    labels = 'method="POST",route="/v1/lines",status="429"'
    assert f"trocr_requests_total{{{labels}}} 5.0" in numbers
    end = time.monotonic() + 10
    while not (logged := [each for each in caplog.records if each.msg == "refused"]):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert [each.fields for each in logged] == [{"requests": 5}]


@pytest.mark.parametrize(
    "data",
    [
        request("/healthz", method="GET"),
        request("/v1/nothing", b"abc"),
        request(LINES, b"abc", "Origin: https://example.org"),
        request(LINES, b"abc", "Connection: close"),
        request(LINES, b"abc", "Connection : close"),
        request(LINES, b"abc", "content-length: 4"),
        request(LINES, b"abc", "Transfer-Encoding: chunked"),
        request(LINES, b"abc", USUAL_WAY),
        request(LINES, b"abc", length=False),
        request(LINES, b"abc")[:-1],
        request(LINES, b"abc") * 2,
        request(LINES, b"abc").replace(b"1.1", b"1.0"),
        request(LINES, b"abc").replace(b"\r\n", b"\n"),
        b"",
    ],
)
def test_what_is_not_plain_goes_the_usual_way(full, data):
    assert full.service.shedding.answer(data) is None


def test_nothing_is_refused_while_there_is_room():
    with running(ServeSettings()) as server:
        answer = httpx2.post(f"{server.url}{LINES}", content=b"abc")
        assert answer.status_code == 200, answer.text


async def _expect(admission: Admission, count: int) -> int:
    for number in range(count):
        try:
            admission.expect(3)
        except Busy:
            return number
    return count


def test_only_so_many_are_let_through_at_once_as_there_is_room_for(full):
    async def twice() -> list[int]:
        admission = Admission(ServeSettings(max_waiting=4), full.pool)  # which has one
        found = [await _expect(admission, 9)]
        await asyncio.sleep(0)
        return [*found, await _expect(admission, 9)]

    assert asyncio.run(twice()) == [3, 3]
