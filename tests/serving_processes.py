"""A worker process without models: it does what the names of its uploads say."""

from __future__ import annotations

import os
import signal
import socket
import time

from trocr.line_result import LineResult
from trocr.serving.messages import Done, Failed, LineResults, ReadLines
from trocr.serving.settings import ServeSettings
from trocr.serving.workers.channel import Channel
from trocr.serving.workers.stats import Counts
from trocr.serving.workers.wire import Alive, Cancel, NotStarted, Order, Quit, Told, Warm

MISSING, CRASHING, WELL = "missing", "crashing", "well"  # models


def scripted(end: socket.socket, settings: ServeSettings, device: str, threads: int) -> None:
    """Answers with its process id, unless a name is ``die``, ``never`` or ``slow``."""
    connection = Channel(end)
    if settings.models == (MISSING,):
        connection.send(NotStarted(Failed("CheckpointError", "There is no model.", "Look.")))
        return
    if settings.models == (CRASHING,):
        os._exit(3)
    connection.send(Warm(device))
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        if isinstance(message, Quit):
            return
        if isinstance(message, Order):
            assert isinstance(message.task, ReadLines)
            _answer(connection, message.number, message.task)
        elif isinstance(message, Cancel):
            connection.send(Told(message.number, (Failed("Cancelled", ""),)))


def _answer(connection: Channel, number: int, task: ReadLines) -> None:
    name = task.uploads[0].name
    if name == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "slow":
        time.sleep(0.5)
    if name != "never":
        result = LineResult(str(os.getpid()), 1.0, "eos")
        connection.send(Alive(Counts(lines=1)))
        connection.send(Told(number, (LineResults((result,)), Done())))
