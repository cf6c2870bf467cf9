"""What goes wrong on the wire, with a real server."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
import time

import httpx2
import pytest
from serving_fakes import usual
from serving_servers import Impatient, answer, request, running

from trocr.serving.http import server as http_server
from trocr.serving.http.server import bound_socket
from trocr.serving.messages import Done, Output, ReadDocument
from trocr.serving.settings import MIB, ServeSettings


def wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def held(task):
    """Reads for a long time."""
    return [30.0, *usual(task)]


def test_a_head_that_does_not_end_is_cut_off():
    with running(ServeSettings()) as server, server.connect() as line:
        began = time.monotonic()
        for byte in b"POST /v1/read HTTP/1.1\r\nHost: te":
            try:
                line.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(0.05)
        assert answer(line) == b""
        assert 0.3 < time.monotonic() - began < 5


def test_a_second_head_on_the_same_connection_too():
    with running(ServeSettings()) as server, server.connect() as line:
        line.sendall(request("/healthz", method="GET"))
        assert line.recv(1 << 16).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET /hea")
        began = time.monotonic()
        answer(line)
        assert time.monotonic() - began < 4  # the time for idle connections is longer


def test_a_body_that_does_not_come_is_given_up():
    with running(ServeSettings(body_seconds=0.3)) as server, server.connect() as line:
        line.sendall(request("/v1/read", b"abc").replace(b"Length: 3", b"Length: 300"))
        assert b" 408 " in answer(line)
        assert server.service.admission.receiving == 0


@pytest.mark.parametrize("path", ["/v1/read", "/v1/lines", "/v1/jobs"])
def test_a_body_without_end_is_cut(path):
    settings = ServeSettings(max_body_bytes=MIB)
    with running(settings) as server, server.connect() as line:
        line.sendall(request(path, b"", "Transfer-Encoding: chunked", length=False))
        chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < began + 10:
                line.sendall(chunk)
        assert time.monotonic() < began + 5
        assert b" 413 " in answer(line)
        assert not server.pool.tasks


def test_a_length_that_is_too_much_is_answered_before_the_body():
    with running(ServeSettings(max_body_bytes=1000)) as server, server.connect() as line:
        head = request("/v1/read", b"", "Expect: 100-continue")
        line.sendall(head.replace(b"Length: 0", b"Length: 100000"))
        received = answer(line)
        assert received.startswith(b"HTTP/1.1 413 ")
        assert b"application/problem+json" in received


def test_a_body_that_nobody_reads_ends_the_connection():
    with running(ServeSettings()) as server, server.connect() as line:
        line.sendall(request("/nowhere", b"abc").replace(b"Length: 3", b"Length: 300"))
        began = time.monotonic()
        assert b" 404 " in answer(line)
        assert time.monotonic() - began < 5


def test_a_client_that_hangs_up_cancels_its_task():
    with running(ServeSettings(), held) as server:
        line = server.connect()
        line.sendall(request("/v1/read", b"abc"))
        wait_for(lambda: server.pool.running)
        line.close()
        wait_for(lambda: not server.pool.running)
        assert server.pool.runs[0].cancelled


def test_a_client_that_hangs_up_in_its_body_leaves_nothing():
    with running(ServeSettings()) as server:
        line = server.connect()
        line.sendall(request("/v1/read", b"abc").replace(b"Length: 3", b"Length: 300"))
        wait_for(lambda: server.service.admission.receiving == 1)
        line.close()
        wait_for(lambda: server.service.admission.receiving == 0)
        assert server.service.admission.receiving_bytes == 0
        assert not server.pool.tasks


def test_listeners_that_hang_up_leave_nothing():
    with running(ServeSettings(grace_seconds=0.3), held) as server:
        job = httpx2.post(f"{server.url}/v1/jobs", content=b"abc", headers=PNG).json()
        lines = [server.connect() for _ in range(20)]
        for line in lines:
            line.sendall(request(f"{job['url']}/events", method="GET"))
            assert b"text/event-stream" in line.recv(1 << 16)
        for line in lines:
            line.close()
        wait_for(lambda: not server.server.server_state.tasks)
        assert len(server.pool.running) == 1  # the job goes on


def test_connections_that_ask_for_nothing_make_room(monkeypatch):
    monkeypatch.setattr(Impatient, "head_seconds", 60)
    with running(ServeSettings(), held) as server:
        busy = server.connect()
        busy.sendall(request("/v1/read", b"abc"))
        wait_for(lambda: server.pool.running)
        lines = [server.connect() for _ in range(300)]
        assert httpx2.get(f"{server.url}/healthz").status_code == 200
        assert len(server.server.server_state.connections) <= 100
        assert len(server.pool.running) == 1
        for line in [busy, *lines]:
            line.close()


def test_an_answer_that_is_not_read_is_cut_off():
    def large(task):
        return [Output(bytes(32 * MIB), "text/plain", "a.txt"), Done()]

    with running(ServeSettings(), large) as server, server.connect() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.sendall(request("/v1/read", b"abc"))
        wait_for(lambda: server.server.server_state.connections)
        wait_for(lambda: not server.server.server_state.connections)


def test_uploads_do_not_fill_the_memory():
    settings = ServeSettings(max_waiting=8, max_waiting_bytes=4 * MIB, max_body_bytes=2 * MIB)
    with running(settings, held) as server:
        lines = [server.connect() for _ in range(60)]
        for line in lines:
            line.sendall(request("/v1/read", b"").replace(b"Length: 0", b"Length: 1048576"))
            line.setblocking(False)
        admission = server.service.admission
        refused = {}

        def most_are_refused():
            for line in lines:
                with contextlib.suppress(BlockingIOError):
                    refused.setdefault(line, line.recv(1 << 16))
            return len(refused) >= 52

        wait_for(most_are_refused)
        assert admission.receiving == 8
        assert len(refused) == 52
        for received in refused.values():
            assert received.startswith(b"HTTP/1.1 429 ")
            assert b"retry-after: " in received.lower()
        highest = 0
        for line in lines:  # those inside send more than fits together
            line.setblocking(True)
            try:
                line.sendall(bytes(MIB - 1))
            except OSError:
                continue
            highest = max(highest, admission.receiving_bytes)
        assert highest <= 4 * MIB
        for line in lines:
            line.close()
        wait_for(lambda: admission.receiving == 0 and admission.receiving_bytes == 0)


def test_it_stops_when_all_that_was_accepted_is_done():
    go = asyncio.Event()

    def waits(task):
        return [go, *usual(task)]

    answers = {}

    def post(server, name, path):
        answers[name] = httpx2.post(f"{server.url}{path}", content=b"abc", headers=PNG, timeout=20)

    with running(ServeSettings(grace_seconds=20), waits) as server:
        job = httpx2.post(f"{server.url}/v1/jobs", content=b"abc", headers=PNG).json()
        events, listening = [], threading.Event()

        def listen():
            with httpx2.stream("GET", f"{server.url}{job['url']}/events", timeout=20) as stream:
                listening.set()
                events.extend(stream.iter_lines())

        threads = [
            threading.Thread(target=post, args=(server, "read", "/v1/read")),
            threading.Thread(target=listen),
        ]
        slow = server.connect()
        slow.sendall(request("/v1/read", b"ab").replace(b"Length: 2", b"Length: 3"))
        for thread in threads:
            thread.start()
        wait_for(lambda: len(server.pool.running) == 2 and server.service.admission.receiving)
        assert listening.wait(10)
        server.stop()
        wait_for(lambda: server.service.admission.closed)
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        slow.sendall(b"c")  # its body was coming in: it is finished too
        wait_for(lambda: len(server.pool.running) == 3)
        loop = server.service.starting.get_loop()
        loop.call_soon_threadsafe(go.set)
        for thread in threads:
            thread.join(20)
        assert answers["read"].status_code == 200
        assert answer(slow).startswith(b"HTTP/1.1 200 ")
        assert "event: done" in events
        server.thread.join(20)
        assert not server.thread.is_alive()


def test_it_stops_in_time_though_something_hangs():
    with running(ServeSettings(grace_seconds=0.3), held) as server:
        job = httpx2.post(f"{server.url}/v1/jobs", content=b"abc", headers=PNG).json()
        with httpx2.stream("GET", f"{server.url}{job['url']}/events", timeout=20) as stream:
            server.stop()
            assert "event: cancelled" in list(stream.iter_lines())
        server.thread.join(10)
        assert not server.thread.is_alive()


def test_a_second_interrupt_is_not_patient():
    with running(ServeSettings(grace_seconds=60), held) as server:
        httpx2.post(f"{server.url}/v1/jobs", content=b"abc", headers=PNG)
        server.server.handle_exit(signal.SIGINT, None)
        wait_for(lambda: server.pool.draining)
        assert server.thread.is_alive()
        server.server.handle_exit(signal.SIGINT, None)
        server.thread.join(10)
        assert not server.thread.is_alive()
        assert server.pool.runs[0].cancelled


def test_it_stops_in_time_though_a_body_does_not_come(monkeypatch):
    monkeypatch.setattr(http_server, "_LAST_SECONDS", 1.0)
    with running(ServeSettings(grace_seconds=0.4), held) as server, server.connect() as line:
        line.sendall(request("/v1/read", b"abc").replace(b"Length: 3", b"Length: 300"))
        httpx2.post(f"{server.url}/v1/jobs", content=b"abc", headers=PNG)
        wait_for(lambda: server.service.admission.receiving == 1)
        began = time.monotonic()
        server.stop()
        server.thread.join(20)
        assert time.monotonic() - began < 5
        assert not server.pool.running


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /v1/models HTTP/1.1\r\nHost: a\r\n" + b"X-A: aaaaaaaaaa\r\n" * 100_000,
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET / HTTP/1.1\r\n\r\n",
        request("/v1/read", b"zz\r\n", "Transfer-Encoding: chunked", length=False),
    ],
    ids=["headers", "path", "tls", "no host", "chunk"],
)
def test_what_is_no_http_is_answered(sent):
    with running(ServeSettings()) as server, server.connect() as line:
        line.sendall(sent)
        received = answer(line)
        assert received.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in received
        assert httpx2.get(f"{server.url}/healthz").status_code == 200
        assert server.service.admission.receiving == 0


def test_work_goes_on_when_clients_come_and_go():
    def slow(task):
        return [0.02, *usual(task)]

    with running(ServeSettings(), slow) as server:
        for number in range(30):
            line = server.connect()
            line.sendall(request("/v1/read", b"abc")[: 40 + 9 * number])
            line.close()
        done = httpx2.post(f"{server.url}/v1/read", content=b"abc", headers=PNG)
        assert done.status_code == 200
        wait_for(lambda: not server.pool.running)
        kinds = {type(task) for task in server.pool.tasks}
        assert kinds == {ReadDocument}


PNG = {"Content-Type": "image/png"}


def test_answers_do_not_wait_for_acknowledgements():
    with bound_socket("127.0.0.1", 0) as listener:
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
