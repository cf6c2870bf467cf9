"""Connections that waste time are closed: uvicorn itself waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from .problems import no_http

_LINGER_SECONDS = 2.0
_LARGE = 16 << 10  # bytes, of a part of an answer that does not wait for more
_LAST = ((b"connection", b"close"), (b"x-content-type-options", b"nosniff"))


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 with limits in time.

    A request's head must come within ``head_seconds``. An answer must get on within every
    ``stall_seconds``. An answer before the end of the request's body ends the connection. Over
    ``max_connections``, those that have asked for nothing for the longest time make room.
    """

    max_connections = 800
    shed: Callable[[bytes], bytes | None] = staticmethod(lambda data: None)
    head_seconds = 10.0
    stall_seconds = 30.0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head, self._stall = _Timer(self.loop), _Timer(self.loop)
        self._unsent = 0
        self._lingers = False
        self._since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Gathering(transport, self.loop))  # type: ignore[arg-type]
        self._watch_head()
        if len(self.connections) > self.max_connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head.stop()
        self._stall.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            return
        if self._is_idle and (answer := self.shed(data)):
            self._head.stop()
            self._unset_keepalive_if_required()
            self.transport.write(answer)
            self.on_response_complete()
            return
        super().data_received(data)
        self._watch_head()

    @property
    def _is_idle(self) -> bool:
        """Nothing of a request has come, and the one before is answered."""
        nothing_came = self.conn.their_state is h11.IDLE and self.conn.trailing_data == (b"", False)
        return nothing_came and (self.cycle is None or self.cycle.response_complete)

    def _watch_head(self) -> None:
        """One timer from the first byte of a head to its last; more bytes do not renew it."""
        if self.conn.their_state is h11.IDLE:
            self._head.start(self.head_seconds, self.transport.close)
        else:
            self._head.stop()

    def on_response_complete(self) -> None:
        unfinished = self.conn.their_state is h11.SEND_BODY
        super().on_response_complete()
        if unfinished and not self.transport.is_closing():
            self._linger()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has too long a head."""
        if self.cycle:  # it is the body that is malformed
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        answer = no_http().response()
        for event in (
            h11.Response(status_code=answer.status_code, headers=[*answer.raw_headers, *_LAST]),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self._linger()

    def _linger(self) -> None:
        """Throw away what still comes for a while: a reset could overtake the answer."""
        self._lingers = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def _make_room(self) -> None:
        """Close the connection that came first of those whose request has not come."""
        ours = (each for each in self.connections if isinstance(each, GuardedProtocol))
        idle = [each for each in ours if each.conn.their_state is h11.IDLE]
        first = min(idle, key=lambda each: each._since, default=self)
        self.connections.discard(first)  # the loop may take a while to tell it
        first.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._stall.start(self.stall_seconds, self._check_progress)

    def resume_writing(self) -> None:
        self._stall.stop()
        super().resume_writing()

    def _check_progress(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent >= self._unsent:
            self.transport.abort()
            return
        self._unsent = unsent
        self._stall.start(self.stall_seconds, self._check_progress)


class _Gathering:
    """A transport that sends head and body of an answer together: each send has its price.

    Args:
        transport: that is behind it.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._chunks: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """At the next turn of the loop, with all that is written until then."""
        if not self._chunks:
            self._loop.call_soon(self._flush)
        self._chunks.append(data)
        if len(data) > _LARGE:  # so that the protocol is told to pause
            self._flush()

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        chunks, self._chunks = self._chunks, []
        if content := b"".join(chunks):
            self._transport.write(content)


class _Timer:
    """Calls back once, unless it is stopped before; to start it again while it runs is nothing."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float, action: Callable[[], None]) -> None:
        if self._handle is None:
            self._handle = self._loop.call_later(seconds, self._ring, action)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self, action: Callable[[], None]) -> None:
        self._handle = None
        action()
