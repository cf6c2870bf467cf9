"""Requests to a server on this machine: as many clients as one wants, at little cost of its own."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

HOST = "127.0.0.1"
PATIENCE = 60.0  # seconds until an answer counts as lost


@dataclass(frozen=True)
class Answer:
    """``number``: of the request's body; ``status``: 0 where there was no answer; ``seconds``:
    since the request was due."""

    number: int
    status: int
    seconds: float
    body: bytes


class Load:
    """Sends bodies in turn.

    Args:
        port: of the server.
        path: with its query.
        bodies: of the requests.
    """

    def __init__(self, port: int, path: str, bodies: Sequence[bytes]) -> None:
        self._port = port
        self._requests = [_request(path, body) for body in bodies]
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def closed(self, clients: int, seconds: float) -> list[Answer]:
        """So many clients, each of which sends its next request when the last is answered."""
        end = time.perf_counter() + seconds
        turn = iter(range(10**9))

        async def client() -> list[Answer]:
            answers = []
            while time.perf_counter() < end:
                answers.append(await self._send(next(turn), time.perf_counter()))
            return answers

        async with self._connections():
            found = await asyncio.gather(*(client() for _ in range(clients)))
        return [answer for answers in found for answer in answers]

    async def each(self, clients: int) -> list[Answer]:
        """Every body once."""
        turn = iter(range(len(self._requests)))

        async def client() -> list[Answer]:
            return [await self._send(number, time.perf_counter()) for number in turn]

        async with self._connections():
            found = await asyncio.gather(*(client() for _ in range(clients)))
        return [answer for answers in found for answer in answers]

    async def open(self, rate: float, seconds: float) -> list[Answer]:
        """So many requests a second at random times (Poisson), whatever becomes of earlier ones."""
        chance = random.Random(0)
        due = began = time.perf_counter()
        tasks = []
        async with self._connections():
            while due < began + seconds:
                if (early := due - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                tasks.append(asyncio.create_task(self._send(len(tasks), due)))
                due += chance.expovariate(rate)
            return list(await asyncio.gather(*tasks))

    @asynccontextmanager
    async def _connections(self) -> AsyncIterator[None]:
        """Connections are kept, but not from one event loop to the next."""
        try:
            yield
        finally:
            for _, writer in self._idle:
                writer.close()
            self._idle.clear()

    async def _send(self, turn: int, due: float) -> Answer:
        number = turn % len(self._requests)
        try:
            exchange = self._exchange(self._requests[number])
            status, body = await asyncio.wait_for(exchange, PATIENCE)
        except (OSError, EOFError, asyncio.TimeoutError):
            status, body = 0, b""
        return Answer(number, status, time.perf_counter() - due, body)

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._idle:
            try:
                return await self._over(*self._idle.pop(), request)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass  # it had been closed for being idle; as other clients, try a new one
        return await self._over(*await asyncio.open_connection(HOST, self._port), request)

    async def _over(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> tuple[int, bytes]:
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
            body = await reader.readexactly(int(fields["content-length"]))
        except BaseException:
            writer.close()
            raise
        if fields.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split(" ", 2)[1]), body


def _request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
