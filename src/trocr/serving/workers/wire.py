"""What the main process and a worker say to each other."""

from __future__ import annotations

from dataclasses import dataclass

from ..messages import Event, Failed, Task
from .stats import Counts


@dataclass(frozen=True)
class Order:
    """Carry out a task, which is called by a number from now on."""

    number: int
    task: Task


@dataclass(frozen=True)
class Cancel:
    """Drop a task."""

    number: int


@dataclass(frozen=True)
class Quit:
    """End at once."""


@dataclass(frozen=True)
class Warm:
    """The worker can read now; ``device``: the type of that which it has."""

    device: str


@dataclass(frozen=True)
class NotStarted:
    """The worker cannot read, and ends."""

    why: Failed


@dataclass(frozen=True)
class Told:
    """What happened to a task, at least one event."""

    number: int
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Alive:
    """Said again and again; what was done since the last time."""

    counts: Counts


ToWorker = Order | Cancel | Quit
FromWorker = Warm | NotStarted | Told | Alive
