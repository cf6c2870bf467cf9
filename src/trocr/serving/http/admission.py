"""Who may send a body: decided before it is read, so that uploads cannot fill the memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from ..messages import Busy, Stopping
from ..settings import MIB, ServeSettings
from .pool_interface import Pool
from .problems import not_ready, too_large

_RETRY_SECONDS = 1.0


class Place:
    """What one request holds while its body comes in.

    Args:
        admission: that it counts for.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.held = 0

    def hold(self, size: int) -> None:
        """So many bytes more have come.

        Raises:
            Busy: all requests together hold too much.
        """
        self._admission.check_bytes(size, self.held)
        self.held += size
        self._admission.receiving_bytes += size


class Admission:
    """Counts the requests whose bodies come in; those behind them are counted by the pool.

    Attributes:
        receiving, receiving_bytes: requests whose bodies come in, and what has come.
        closed: nobody is let in any more.
    """

    def __init__(self, settings: ServeSettings, pool: Pool) -> None:
        self._settings, self._pool = settings, pool
        self.receiving = self.receiving_bytes = 0
        self.closed = False
        self._expected = 0
        self._empty = asyncio.Event()

    @contextmanager
    def place(self, declared: int | None) -> Iterator[Place]:
        """Around the reading of a body and the submission of what it asks for.

        Args:
            declared: the length of the body, if its head says so.

        Raises:
            Problem: the body is too large, or the models are not loaded yet.
            Busy, Stopping: nothing is accepted now.
        """
        self._check(declared)
        place = Place(self)
        self.receiving += 1
        try:
            yield place
        finally:
            self.receiving -= 1
            self.receiving_bytes -= place.held
            if not self.receiving:
                self._empty.set()

    def expect(self, size: int) -> None:
        """A request with so long a body has come, and asks for its place in the loop's next turn.

        Raises:
            Problem, Busy, Stopping: as `place`; nobody is expected then.
        """
        self._check(size)
        if not self._expected:
            asyncio.get_running_loop().call_soon(self._expect_none)
        self._expected += 1

    def check_bytes(self, size: int, own: int = 0) -> None:
        """Is there room for ``size`` more bytes of a request that holds ``own`` of them already?

        Raises:
            Busy: there is none.
        """
        others = self.receiving_bytes - own + self._pool.waiting_bytes
        # A body that is alone is let in at any rate, else one at the limit would never be.
        if others and others + own + size > self._settings.max_waiting_bytes:
            raise Busy(_RETRY_SECONDS)

    async def close(self) -> None:
        """Let nobody in any more; returns when those inside are done."""
        self.closed = True
        self._empty.clear()
        if self.receiving:
            await self._empty.wait()

    def _expect_none(self) -> None:
        self._expected = 0

    def _check(self, declared: int | None) -> None:
        if self.closed or self._pool.draining:
            raise Stopping
        if not self._pool.ready:
            raise not_ready()
        if (declared or 0) > self._settings.max_body_bytes:
            raise body_too_large(self._settings.max_body_bytes)
        if self._expected + self.receiving + self._pool.waiting >= self._settings.max_waiting:
            raise Busy(_RETRY_SECONDS)
        self.check_bytes(declared or 0)


def body_too_large(limit: int) -> Exception:
    """The body of a request is longer than that many bytes."""
    size = f"{limit / MIB:.3g} MiB" if limit >= MIB else f"{limit} bytes"
    return too_large(
        f"The body of the request is larger than {size}.",
        "Send less, or raise the limit (trocr serve --max-body-mib).",
    )
