"""The process that reads: it holds the models, and does what it is told through a socket.

It ends when the other end is closed, so nothing is left of a server that was killed.
"""

from __future__ import annotations

import logging
import logging.config
import os
import signal
import socket
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...errors import TrOCRError
from ..logs import log, log_config
from ..messages import Event, Failed
from ..settings import ServeSettings
from .channel import Channel
from .wire import Alive, Cancel, FromWorker, NotStarted, Order, Quit, Told, Warm

if TYPE_CHECKING:
    from ...recognizer import Recognizer
    from .runner import Runner

ALIVE_SECONDS = 0.5  # between two signs of life
_THREADS, _WAITING = "OMP_NUM_THREADS", "OMP_WAIT_POLICY"
_LOST, _STUCK, _BROKEN = 0, 70, 71  # exit codes


def main(end: socket.socket, settings: ServeSettings, device: str, threads: int) -> None:
    """Run until the other end is closed; never returns.

    Args:
        end: of a pair, the worker's.
        device: as for ``trocr.load``.
        threads: that one pass of a model may use, unless the environment says otherwise.
    """
    # Ctrl-C reaches all processes of a terminal; what was accepted is finished all the same.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    os.environ.setdefault(_THREADS, str(threads))  # before torch is imported
    # Threads that wait for each other in a loop take the cores of all else that serves: with two
    # on two busy cores, a request took 90 ms of CPU, and takes 13.
    os.environ.setdefault(_WAITING, "PASSIVE")
    logging.config.dictConfig(log_config())
    _Worker(Channel(end), settings).run(device)


class _Worker:
    """The threads that speak with the main process; reading is in the main thread."""

    def __init__(self, channel: Channel, settings: ServeSettings) -> None:
        from .runner import Runner

        self._channel = channel
        self._settings = settings
        self._readers: dict[str, Recognizer] = {}
        self._runner: Runner = Runner(self._readers, settings, self._tell)

    def run(self, device: str) -> None:
        threading.Thread(target=self._listen, name="listening", daemon=True).start()
        try:
            self._readers.update(_warm_readers(self._settings, device))
        except TrOCRError as error:
            self._give_up(Failed(type(error).__name__, error.message, error.hint))
        except Exception as error:
            log("worker-not-started", level=logging.ERROR, error=True)
            why = f"{type(error).__name__}: {error}"
            self._give_up(Failed("CheckpointError", f"A worker cannot start: {why}."))
        self._send(Warm(next(iter(self._readers.values())).device.type))
        threading.Thread(target=self._stay_alive, name="alive", daemon=True).start()
        self._runner.run()

    def _listen(self) -> None:
        while True:
            try:
                message = self._channel.recv()
            except (EOFError, OSError):
                os._exit(_LOST)
            if isinstance(message, Quit):
                os._exit(_LOST)
            try:
                self._obey(message)
            except Exception:  # deaf, it would be of no use
                log("worker-broken", level=logging.ERROR, error=True)
                os._exit(_BROKEN)

    def _obey(self, message: Order | Cancel) -> None:
        if isinstance(message, Order):
            self._runner.accept(message.number, message.task)
        else:
            self._runner.cancel(message.number)

    def _stay_alive(self) -> None:
        while True:
            time.sleep(ALIVE_SECONDS)
            self._send(Alive(self._runner.tally.taken()))
            if stage := self._runner.watch.stuck():
                log("worker-stuck", {"reason": stage}, level=logging.ERROR)
                os._exit(_STUCK)

    def _tell(self, number: int, *events: Event) -> None:
        self._send(Told(number, events))

    def _send(self, message: FromWorker) -> None:
        try:
            self._channel.send(message)
        except OSError:
            os._exit(_LOST)

    def _give_up(self, why: Failed) -> None:
        self._send(NotStarted(why))
        os._exit(_LOST)


def _warm_readers(settings: ServeSettings, device: str) -> Mapping[str, Recognizer]:
    """The models, each after it has read a line; the detector has found lines."""
    from ...layout import find_lines
    from ...recognizer import load
    from .warming import line_picture, page_picture

    readers = {name: load(name, device) for name in settings.models}
    for reader in readers.values():
        reader.read_lines([line_picture()], words=True)
    find_lines(page_picture(), detector=settings.detector)
    return readers
