"""Lines on their way through a decoder: who waits for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .decoding import PoolRow
from .drafted_steps import DraftedSteps
from .hybrid import EncodedLines, Found, HybridDecoder, Hypothesis

# Others may join while so few are half written. Each that joins keeps these waiting for as long as
# its encoder takes; to wait until they are done keeps the others waiting, and steps half empty.
OPEN_SHARE = 0.25  # of the lines that are searched together
# With one step a batch, a line whose draft is refused would wait for an encoder at each character:
# nine seconds where all others took one. With 16, those that come next wait too long.
STEPS = 4  # of those that are half written, after each batch that joins


class Flow:
    """Takes encoded lines in, and gives their hypotheses out in any order.

    Drafts are verified at once. Lines that have to be searched wait for others, as a step of the
    search costs nearly the same for one line as for many; or, where lines come at any time, they
    join those that are half written, so that none waits for another. (Only a greedy search takes
    lines in; others search what is there when nothing else has come.) A line that comes alone and
    finds none is searched along its draft.

    Args:
        decoder: what verifies and searches.
        search_size: lines that are searched together, or more.
        is_wanted: whether somebody still waits for the line of this number; given where lines come
            at any time.
    """

    def __init__(
        self,
        decoder: HybridDecoder,
        search_size: int,
        is_wanted: Callable[[int], bool] | None = None,
    ) -> None:
        self.decoder = decoder
        self._search_size = search_size
        self._is_wanted = is_wanted
        self._pool = None if is_wanted is None else decoder.line_pool()
        self._waiting: list[EncodedLines] = []
        self._joined: dict[int, tuple[EncodedLines, int]] = {}  # those of the pool, and their rows
        self._drafts: dict[int, Hypothesis] = {}  # of lines that are not read yet

    @property
    def has_room(self) -> bool:
        """Whether more lines may come, or those that are half written had better go on first."""
        return len(self._joined) <= OPEN_SHARE * self._search_size

    def take(self, lines: EncodedLines) -> Iterator[Found]:
        """Take lines in; those of them that need no search."""
        nobody = self._pool is not None and not self._joined
        alone = len(lines) == 1 and (nobody or self._search_size == 1)
        steps = self.decoder.steps_along(lines) if alone else None
        readings, agreed = self.decoder.verified(lines, steps)
        if agreed:
            found = [[readings[row]] for row in agreed]
            yield self.decoder.ranked(lines.select(agreed), found)
        open_rows = sorted(set(range(len(lines))).difference(agreed))
        if not open_rows:
            return
        if readings:
            self._drafts.update((lines.numbers[row], readings[row]) for row in open_rows)
        rest = lines.select(open_rows)
        if steps is not None:
            yield self._searched(rest, steps)
        elif self._pool is None:
            self._waiting.append(rest)
        else:
            self._joined.update((number, (rest, row)) for row, number in enumerate(rest.numbers))
            yield from self._written(self.decoder.admit(rest, self._pool))

    def work(self, more: bool) -> Iterator[Found]:
        """Search on; those lines that are done.

        Args:
            more: others are there to be taken in first, so that some may wait for them.
        """
        if self._pool is not None:
            if self._is_wanted is not None:
                for row in self._pool.forget(self._is_wanted):
                    del self._joined[row.number]
                    self._drafts.pop(row.number, None)
            for _ in range(STEPS if more else 1):
                yield from self._written(self._pool.advance())
        elif self._waiting and not (more and sum(map(len, self._waiting)) < self._search_size):
            lines, self._waiting = EncodedLines.join(self._waiting), []
            yield self._searched(lines)

    def _searched(self, lines: EncodedLines, steps: DraftedSteps | None = None) -> Found:
        drafts = {n: self._drafts.pop(n) for n in lines.numbers if n in self._drafts}
        return self.decoder.searched(lines, drafts, steps)

    def _written(self, rows: list[PoolRow]) -> Iterator[Found]:
        """Lines that have left the pool."""
        if not rows:
            return
        places = [self._joined.pop(row.number) for row in rows]
        lines = EncodedLines.join([lines.select([place]) for lines, place in places])
        drafts = {n: self._drafts.pop(n) for n in lines.numbers if n in self._drafts}
        yield self.decoder.ranked(lines, [[self.decoder.written(row)] for row in rows], drafts)
