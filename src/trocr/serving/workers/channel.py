"""How the main process and a worker reach each other: pickles, each behind its length."""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

_LENGTH = struct.Struct("!Q")


def _packed(message: object) -> bytes:
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return b"".join((_LENGTH.pack(len(content)), content))


class Channel:
    """The end of a worker, whose threads may wait.

    Args:
        end: of a pair of sockets.
    """

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._stream = end.makefile("rb")
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        """From any thread.

        Raises:
            OSError: nobody is there any more.
        """
        content = _packed(message)
        with self._sending:
            self._end.sendall(content)

    def recv(self) -> Any:
        """The next message; waits for it. From one thread.

        Raises:
            EOFError, OSError: there will be none.
        """
        return pickle.loads(self._exactly(*_LENGTH.unpack(self._exactly(_LENGTH.size))))

    def _exactly(self, size: int) -> bytes:
        content = self._stream.read(size)
        if len(content) < size:
            raise EOFError
        return content


class Link(asyncio.Protocol):
    """The end of the main process, in its event loop: there are no threads to wake.

    Args:
        hear: is told every message.
        lost: is called when the other end is gone, and all that it said was heard.
    """

    def __init__(self, hear: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._hear, self._lost = hear, lost
        self._transport: asyncio.WriteTransport | None = None
        self._content = bytearray()

    def send(self, message: object) -> None:
        """Some time; what is said to nobody is lost."""
        if self._transport and not self._transport.is_closing():
            self._transport.write(_packed(message))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._content += data
        start, there = 0, len(self._content)
        while there - start >= _LENGTH.size:
            begin = start + _LENGTH.size
            end = begin + _LENGTH.unpack_from(self._content, start)[0]
            if end > there:
                break
            with memoryview(self._content) as view:
                message = pickle.loads(view[begin:end])
            start = end
            self._hear(message)
        del self._content[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()
