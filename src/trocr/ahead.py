"""Work that is done in a thread while the caller is busy with what was done before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def computed_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], ahead: int = 1
) -> Iterator[Result]:
    """``function`` of every item, in order, so many results ahead of the one that is asked for."""
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            for item in items:
                pending.append(thread.submit(function, item))
                if len(pending) > ahead:
                    yield waited_for(pending.popleft())
            while pending:
                yield waited_for(pending.popleft())
        finally:
            for future in pending:
                future.cancel()


def waited_for(future: Future[Result]) -> Result:
    """What a future gives, as soon as it is there."""
    return future.result()
