"""One process that listens: from the start of the workers to a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from ...errors import UsageError
from ..logs import log_config
from ..settings import ServeSettings
from .app import create_app
from .connections import GuardedProtocol
from .pool_interface import Pool
from .service import Service

_BACKLOG = 2048
_LAST_SECONDS = 5.0  # beyond the grace: to send what was read last
_OPEN_FILES, _OTHER_FILES = 8192, 200  # wanted; not for connections
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def serve(
    settings: ServeSettings,
    host: str,
    port: int,
    *,
    log_level: str = "info",
    on_ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until a signal asks to stop, then finish what was accepted.

    Args:
        settings: what is served.
        host, port: where to listen; port 0: any that is free.
        log_level: of what goes to standard error.
        on_ready: is told the address once all models are loaded.

    Raises:
        UsageError: the address cannot be listened at.
        CheckpointError: a model cannot be loaded.
    """
    from ..workers.pool import WorkerPool

    with bound_socket(host, port) as listener:
        protocol = type("Protocol", (GuardedProtocol,), {"max_connections": _most_connections()})
        server = Server(
            settings,
            WorkerPool(settings),
            log_level=log_level,
            on_ready=on_ready,
            protocol=protocol,
        )
        asyncio.run(server.serve(sockets=[listener]))
    if server.failure:
        raise server.failure


class Server(uvicorn.Server):
    """Stops reading and answering together, and ends if the workers cannot start.

    Args:
        settings, log_level, on_ready: as for `serve`; without a log level logging stays as it is.
        pool: that reads.
        protocol: of connections.

    Attributes:
        failure: why the workers could not start.
    """

    def __init__(
        self,
        settings: ServeSettings,
        pool: Pool,
        *,
        log_level: str | None = None,
        on_ready: Callable[[str], None] = lambda address: None,
        protocol: type[GuardedProtocol] = GuardedProtocol,
    ) -> None:
        app = create_app(settings, pool)
        self._service: Service = app.state.service
        shedding = {"shed": self._service.shedding.answer}
        config = uvicorn.Config(
            app,
            http=type("Protocol", (protocol,), shedding),
            ws="none",
            lifespan="on",
            log_config=log_config(log_level) if log_level else None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(settings.grace_seconds + _LAST_SECONDS),
        )
        super().__init__(config)
        self._on_ready = on_ready
        self._address = ""
        self.failure: BaseException | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if sockets:
            self._address = address_of(sockets[0])
        if self._service.starting:
            self._service.starting.add_done_callback(self._started)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        stopping = asyncio.create_task(self._service.stop())
        await super().shutdown(sockets)
        if self.force_exit:
            self._service.abandon()
            await self.lifespan.shutdown()  # left out then
        await stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Asked for the first time, it stops; by a second Ctrl-C it does so at once."""
        super().handle_exit(sig, frame)
        if self.force_exit:
            self._service.abandon()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals stop the server and are not raised again afterwards: it ended as asked."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.signal(each, self.handle_exit) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _started(self, starting: asyncio.Task[None]) -> None:
        if starting.cancelled():
            return
        self.failure = starting.exception()
        if self.failure:
            self.should_exit = True
        else:
            self._on_ready(self._address)


def _most_connections() -> int:
    """As many as there may be open files, which are made more where that is allowed."""
    try:
        import resource
    except ImportError:  # Windows
        return GuardedProtocol.max_connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _OPEN_FILES:
        soft = _OPEN_FILES if hard < 0 else min(hard, _OPEN_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(soft, 2 * _OTHER_FILES) - _OTHER_FILES if soft >= 0 else _OPEN_FILES


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        UsageError: it cannot be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.create_server(address[:2], family=family, backlog=_BACKLOG)
        # Inherited by connections. asyncio does it where it knows that a socket is TCP; not here,
        # and then the body of each answer would wait 40 ms for the client's acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(
            f"The server cannot listen at {host}, port {port}: {why}.",
            "Choose another one: --host, --port.",
        ) from None


def address_of(listener: socket.socket) -> str:
    """The URL at which a socket listens."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
