"""What a worker is doing, and since when: one that hangs is ended and started again."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

# Seconds that one step may take; downloads have limits of their own. Reading counts anew with
# every line that comes out.
LIMITS = {"preparing": 120.0, "reading": 600.0, "finishing": 120.0, "rendering": 900.0}
GIVEN_UP = 15.0  # for a preparing step that nobody waits for: it holds up all other tasks


@dataclass(eq=False)
class Step:
    """``given_up``: whether nobody waits for it any more."""

    stage: str
    given_up: Callable[[], bool]
    since: float = field(default_factory=time.monotonic)

    def goes_on(self) -> None:
        """It is alive."""
        self.since = time.monotonic()


class Watch:
    """Steps that are being done."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: set[Step] = set()

    @contextmanager
    def step(self, stage: str, given_up: Callable[[], bool] = lambda: False) -> Iterator[Step]:
        """Around a step."""
        step = Step(stage, given_up)
        with self._lock:
            self._steps.add(step)
        try:
            yield step
        finally:
            with self._lock:
                self._steps.discard(step)

    def stuck(self) -> str | None:
        """The stage of a step that takes too long."""
        now = time.monotonic()
        with self._lock:
            steps = list(self._steps)
        for step in steps:
            spent = now - step.since
            useless = step.stage == "preparing" and spent > GIVEN_UP and step.given_up()
            if useless or spent > LIMITS.get(step.stage, math.inf):
                return step.stage
        return None
