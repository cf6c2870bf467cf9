"""Lines that are written together, whenever each began (Orca: Yu et al., OSDI 2022)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from .protocol import Hypothesis, JoinableSteps, StepModel
from .search import Search, draw

# So few finished rows are not worth moving others into their places.
DROP_SHARE = 0.25


@dataclass
class PoolRow:
    """A line in a pool.

    Attributes:
        number: that the caller knows it by.
        line: what is written.
        place: among the sequences of the search, for their prompts and what is recorded.
        stream: what its tokens are drawn with.
    """

    number: int
    line: Hypothesis
    place: int = 0
    stream: torch.Generator | None = field(default=None, repr=False)


Row = TypeVar("Row", bound="WrittenRow")


class WrittenRow(Protocol):
    """A line in a pool, by the number that the caller knows it by."""

    number: int
    line: Hypothesis


class Pool(Generic[Row]):
    """Lines that come and go, and the decoder that has read them.

    Args:
        search: the rules for all of them.
    """

    def __init__(self, search: Search) -> None:
        self._search = search
        self._steps: StepModel | None = None
        self._rows: list[Row] = []  # as they are in the model's cache

    def __len__(self) -> int:
        """Number of lines that go on."""
        return sum(row.line.is_open for row in self._rows)

    def start(self) -> Hypothesis:
        """A line without tokens."""
        return self._search.start()

    def forget(self, is_wanted: Callable[[int], bool]) -> list[Row]:
        """Let go of lines whose number nobody wants, and return them."""
        unwanted = [row for row in self._rows if row.line.is_open and not is_wanted(row.number)]
        for row in unwanted:
            row.line = replace(row.line, finish_reason="forgotten")
        self._drop_closed()
        return unwanted

    @property
    def _device(self) -> torch.device:
        return self._search.prompt_ids.device

    def _take_in(self, rows: list[Row], steps: StepModel) -> None:
        """Those of the rows that go on, as this model has them, join."""
        if not any(row.line.is_open for row in rows):
            return
        rows = self._without_closed(rows, steps)
        if self._steps is None:
            self._steps, self._rows = steps, rows
        else:
            assert isinstance(self._steps, JoinableSteps)
            self._steps.join(steps)
            self._rows = [*self._rows, *rows]

    def _drop_closed(self) -> None:
        """Make room in the cache."""
        if self._steps is None or not len(self):
            self._steps, self._rows = None, []
        else:
            self._rows = self._without_closed(self._rows, self._steps)

    def _without_closed(self, rows: list[Row], steps: StepModel) -> list[Row]:
        """If many are finished, the last rows take their places."""
        count = sum(row.line.is_open for row in rows)
        if len(rows) - count < DROP_SHARE * len(rows):
            return rows
        late = (place for place in range(count, len(rows)) if rows[place].line.is_open)
        kept = [place if rows[place].line.is_open else next(late) for place in range(count)]
        steps.reorder(torch.tensor(kept, device=self._device))
        return [rows[place] for place in kept]


class LinePool(Pool[PoolRow]):
    """Greedy search or sampling for lines that come and go.

    A line gets the tokens that it would get alone, but for rounding, and for draws from a stream
    that it shares.
    """

    def admit(self, rows: list[PoolRow], steps: StepModel, logits: Tensor) -> list[PoolRow]:
        """Take lines in and write their first token; those that are finished with it.

        Args:
            steps: a model of these rows that has read their prompts; ``JoinableSteps``, unless
                all lines of the pool come at once.
            logits: (rows, vocab) after the prompts.
        """
        finished = self._extend(rows, logits)
        self._take_in(rows, steps)
        return finished

    def advance(self) -> list[PoolRow]:
        """Write one more token of every line; those that are finished with it."""
        if self._steps is None:
            return []
        pad = self._search.pad_token_id
        last = [[row.line.tokens[-1] if row.line.is_open else pad] for row in self._rows]
        logits = self._steps.step(torch.tensor(last, device=self._device))
        still = [place for place, row in enumerate(self._rows) if row.line.is_open]
        finished = self._extend(
            [self._rows[place] for place in still],
            logits if len(still) == len(self._rows) else logits[still],
        )
        self._drop_closed()
        return finished

    def _extend(self, rows: Sequence[PoolRow], logits: Tensor) -> list[PoolRow]:
        """Write a token of each row; those that end with it."""
        search, lines = self._search, [row.line for row in rows]
        places = [row.place for row in rows]
        copies = search.config.num_return_sequences
        logits = logits.float()
        scores = search.process(logits, lines, [place // copies for place in places])
        search.record(scores, logits, places, search.batch * copies)
        if search.config.do_sample:
            tokens = draw(scores.softmax(dim=-1), 1, [row.stream for row in rows]).squeeze(1)
        else:
            tokens = scores.max(dim=-1).indices
        logprobs = logits.gather(1, tokens.unsqueeze(1)).squeeze(1) - logits.logsumexp(dim=-1)
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            line = row.line.extended(token, logprob, state=search.next_state(row.line, token))
            row.line = replace(line, finish_reason=search.finish_reason(line.tokens) or "none")
        return [row for row in rows if not row.line.is_open]
