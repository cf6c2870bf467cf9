"""Real servers on a free port of this machine, on fakes, in a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from serving_fakes import FakePool, Script, usual

from trocr.serving.http.connections import GuardedProtocol
from trocr.serving.http.server import Server, bound_socket
from trocr.serving.settings import ServeSettings


class Impatient(GuardedProtocol):
    """Does not let tests wait."""

    max_connections = 100
    head_seconds = 0.4
    stall_seconds = 0.3


@dataclass
class Running:
    """A server and what is behind it."""

    server: Server
    pool: FakePool
    port: int
    thread: threading.Thread

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def service(self) -> Any:
        return self.server.config.app.state.service  # type: ignore[union-attr]

    def connect(self, timeout: float = 10) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def stop(self) -> None:
        """As a signal does."""
        self.server.should_exit = True


@contextmanager
def running(settings: ServeSettings, script: Script = usual) -> Iterator[Running]:
    """A server that stops, at the latest, when this ends."""
    listener = bound_socket("127.0.0.1", 0)
    pool, ready = FakePool(settings, script), threading.Event()
    server = Server(settings, pool, on_ready=lambda address: ready.set(), protocol=Impatient)
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
    )
    thread.start()
    assert ready.wait(20)
    yield Running(server, pool, listener.getsockname()[1], thread)
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def request(
    path: str, body: bytes = b"", *headers: str, method: str = "POST", length: bool = True
) -> bytes:
    """The bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: test", "Content-Type: image/png", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(line: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    received = b""
    while part := line.recv(1 << 16):
        received += part
    return received
