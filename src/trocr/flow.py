"""Lines on their way through a decoder: who waits for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .decoding import WrittenRow
from .hybrid import EncodedLines, Found, HybridDecoder, Hypothesis

# Others may join while so few are half written. Each that joins keeps these waiting for as long as
# its encoder takes; to wait until they are done keeps the others waiting, and steps half empty.
OPEN_SHARE = 0.25  # of the lines that are searched together
# With one step a batch, a line without a draft would wait for an encoder at each character: nine
# seconds where all others took one. With 16, those that come next wait too long.
STEPS = 4  # of those that are half written, after each batch that joins


class Flow:
    """Takes encoded lines in, and gives their hypotheses out in any order.

    Drafts are verified at once. Lines whose drafts were refused, or that have none, wait for
    others, as a pass of the decoder costs nearly the same for one line as for many; or, where
    lines come at any time, they join those that are half written, so that none waits for another.
    (Only a greedy search takes lines in; others search what is there when nothing else has come.)

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
        self._drafted = decoder.drafted_pool()
        self._pool = None if is_wanted is None else decoder.line_pool()
        self._waiting: list[EncodedLines] = []
        self._joined: dict[int, tuple[EncodedLines, int]] = {}  # those of the pools, their rows
        self._drafts: dict[int, Hypothesis] = {}  # of lines that are not read yet

    @property
    def has_room(self) -> bool:
        """Whether more lines may come, or those that are half written had better go on first."""
        return len(self._joined) <= OPEN_SHARE * self._search_size

    def take(self, lines: EncodedLines) -> Iterator[Found]:
        """Take lines in; those of them that are done."""
        if lines.drafts is not None and self._drafted is not None:
            readings, finished = self.decoder.read_drafts(lines, self._drafted)
            if readings:
                self._drafts.update(zip(lines.numbers, readings, strict=True))
            yield from self._join(lines, finished)
            return
        readings, agreed = ([], []) if lines.drafts is None else self.decoder.verified(lines)
        if agreed:
            found = [[readings[row]] for row in agreed]
            yield self.decoder.ranked(lines.select(agreed), found)
        open_rows = sorted(set(range(len(lines))).difference(agreed))
        if not open_rows:
            return
        if readings:
            self._drafts.update((lines.numbers[row], readings[row]) for row in open_rows)
        rest = lines.select(open_rows)
        if self._pool is None:
            self._waiting.append(rest)
        else:
            yield from self._join(rest, self.decoder.admit(rest, self._pool))

    def work(self, more: bool) -> Iterator[Found]:
        """Search on; those lines that are done.

        Args:
            more: others are there to be taken in first, so that some may wait for them.
        """
        enough = self._search_size if more else 1
        if self._is_wanted is not None:
            yield from self._go_on(self._is_wanted, more)
        else:
            while self._drafted is not None and len(self._drafted) >= enough:
                yield from self._written(self.decoder.advance(self._drafted))
        if sum(map(len, self._waiting)) >= enough:
            lines, self._waiting = EncodedLines.join(self._waiting), []
            yield self.decoder.searched(lines, self._drafts_of(lines))

    def _go_on(self, is_wanted: Callable[[int], bool], more: bool) -> Iterator[Found]:
        """A little with those that are half written."""
        for pool, passes in ((self._drafted, 1), (self._pool, STEPS if more else 1)):
            if pool is None:
                continue
            for row in pool.forget(is_wanted):
                del self._joined[row.number]
                self._drafts.pop(row.number, None)
            for _ in range(passes):
                yield from self._written(self.decoder.advance(pool))

    def _join(self, lines: EncodedLines, finished: Iterable[WrittenRow]) -> Iterator[Found]:
        """Note lines that are in a pool; those that left it at once."""
        self._joined.update((number, (lines, row)) for row, number in enumerate(lines.numbers))
        yield from self._written(finished)

    def _written(self, rows: Iterable[WrittenRow]) -> Iterator[Found]:
        """Lines that have left a pool."""
        batches: dict[int, tuple[EncodedLines, list[int]]] = {}
        found: dict[int, Hypothesis] = {}
        for row in rows:
            lines, place = self._joined.pop(row.number)
            batches.setdefault(id(lines), (lines, []))[1].append(place)
            found[row.number] = self.decoder.written(row)
        if batches:
            done = EncodedLines.join([lines.select(rows) for lines, rows in batches.values()])
            hypotheses = [[found[number]] for number in done.numbers]
            yield self.decoder.ranked(done, hypotheses, self._drafts_of(done))

    def _drafts_of(self, lines: EncodedLines) -> dict[int, Hypothesis]:
        """Taken out, as their lines are read now."""
        return {n: self._drafts.pop(n) for n in lines.numbers if n in self._drafts}
