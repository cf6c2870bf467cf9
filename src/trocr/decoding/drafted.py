"""Lines that are written together along their drafts (Leviathan et al. 2023, arXiv 2211.17192)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .pool import Pool
from .protocol import Hypothesis, ReadingSteps
from .search import Search

LOOK_BACK, LOOK_AHEAD = 2, 2
SHORTEST_GUESS = 2  # tokens; read together with the one before at about the price of that one
PASS_TOKENS = 192  # of all lines; with more, what is guessed wrong costs more than what is spared
ROUNDED = 4  # tokens of a pass: few different shapes, as kernels are made for each


@dataclass
class DraftedRow:
    """A line in a pool.

    Attributes:
        number: that the caller knows it by.
        draft: token ids that it may hold, without start and end.
        line: what is written.
        guess: what of the draft is read in the next pass.
    """

    number: int
    draft: list[int]
    line: Hypothesis
    guess: list[int] = field(init=False)
    _next: int = 0  # in the draft: the first token of the guess
    _given_up: int = 0  # in the draft: all before was written, or comes too late

    def __post_init__(self) -> None:
        self.guess = list(self.draft)

    def realign(self, agreed: int) -> None:
        """Guess what comes behind the nearest token like the last; a draft that errs less far.

        Args:
            agreed: so many tokens of the last guess were right.
        """
        token, refused = self.line.tokens[-1], self._next + agreed
        if agreed:
            self._given_up = refused
        first = max(self._given_up, refused - LOOK_BACK)
        nearby = range(first, min(refused + LOOK_AHEAD + 1, len(self.draft)))
        same = [place for place in nearby if self.draft[place] == token]
        # There is none if the draft misread it.
        self._next = 1 + min(same, key=lambda place: abs(place - refused), default=refused)
        self.guess = self.draft[self._next :][: SHORTEST_GUESS + 2 * agreed]


class DraftedPool(Pool[DraftedRow]):
    """Greedy search in which one pass of the decoder scores all that a draft expects.

    Where a line leaves its draft, the rest of the draft is moved to fit the line's own token and
    read in the next pass, with those of the other lines. So each line gets the tokens that it
    would get without a draft, whatever the draft, but for rounding.

    Args:
        search: the rules for all of them; greedy, without penalties.
        max_positions: tokens that the decoder can read, the start included.

    Attributes:
        passes: of the decoder so far.
    """

    def __init__(self, search: Search, max_positions: int) -> None:
        super().__init__(search)
        self._start = int(search.prompt_ids[0, 0])
        self._max_positions = max_positions
        self.passes = 0

    def admit(
        self, numbers: Sequence[int], drafts: Sequence[list[int]], steps: ReadingSteps
    ) -> tuple[list[DraftedRow], Tensor]:
        """Take lines in and read their drafts.

        Args:
            numbers: by which the caller knows the lines.
            drafts: none longer than a line may become.
            steps: a decoder of these lines that has read nothing.

        Returns:
            the lines, some of them finished, and the logits (lines, longest draft + 1, vocab)
            float32 after the start and after each token of a draft.
        """
        rows = [
            DraftedRow(number, draft, self.start())
            for number, draft in zip(numbers, drafts, strict=True)
        ]
        logits = self._pass(rows, steps, self._max_positions)
        self._take_in(rows, steps)
        return rows, logits

    def advance(self) -> list[DraftedRow]:
        """Read on in all lines; those that are finished."""
        if self._steps is None:
            return []
        assert isinstance(self._steps, ReadingSteps)
        rows = [row for row in self._rows if row.line.is_open]
        longest = max(1 + SHORTEST_GUESS, PASS_TOKENS // len(self._rows))
        self._pass(self._rows, self._steps, longest)
        self._drop_closed()
        return [row for row in rows if not row.line.is_open]

    def _pass(self, rows: Sequence[DraftedRow], steps: ReadingSteps, longest: int) -> Tensor:
        """Read the last token and the guess of every line, and write what follows from them.

        Args:
            longest: tokens of a line.
        """
        pad = self._search.pad_token_id
        blocks = [self._block(row, longest) if row.line.is_open else [pad] for row in rows]
        room = self._max_positions - min(len(row.line.tokens) for row in rows if row.line.is_open)
        length = min(room, -(-max(map(len, blocks)) // ROUNDED) * ROUNDED)
        table = [[*block, *[pad] * (length - len(block))] for block in blocks]
        logits = steps.read(torch.tensor(table, device=self._device)).float()
        self.passes += 1
        best, tokens = logits.max(-1)
        logprobs, choices = (best - logits.logsumexp(-1)).tolist(), tokens.tolist()
        counts = [
            1 + self._follow(row, logits[i], choices[i], logprobs[i]) if row.line.is_open else 0
            for i, row in enumerate(rows)
        ]
        steps.keep(torch.tensor(counts, device=self._device), length)
        return logits

    def _block(self, row: DraftedRow, longest: int) -> list[int]:
        """The tokens of a line that are to be read next, so many at most."""
        last = row.line.tokens[-1] if row.line.tokens else self._start
        if last == self._search.pad_token_id:  # positions of what follows depend on the pass
            row.guess = []
        room = self._max_positions - len(row.line.tokens)
        del row.guess[min(longest, room) - 1 :]
        return [last, *row.guess]

    def _follow(
        self, row: DraftedRow, logits: Tensor, tokens: list[int], logprobs: list[float]
    ) -> int:
        """Write what a pass found, as far as the guess is right; how many of its tokens are."""
        line, search = row.line, self._search
        for place, expected in enumerate([*row.guess, None]):
            token, logprob = tokens[place], logprobs[place]
            if search.constraint is not None:
                token, logprob = self._allowed(line, logits[place])
            line.tokens.append(token)
            line.logprobs.append(logprob)
            line.state = search.next_state(line, token)
            line.finish_reason = search.finish_reason(line.tokens) or "none"
            if not line.is_open or token != expected:
                break
        row.realign(place)
        return place

    def _allowed(self, line: Hypothesis, logits: Tensor) -> tuple[int, float]:
        """The likeliest token that the constraint allows, and its log-probability without it."""
        token = int(self._search.process(logits[None], [line], [0]).argmax())
        return token, float(logits[token] - logits.logsumexp(-1))
