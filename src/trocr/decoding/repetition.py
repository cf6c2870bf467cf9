"""Telling a decoder that runs in circles from a line that truly repeats itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class RepetitionGuard:
    """Finds a loop: a unit of tokens that repeats to the end for longer than a line can hold.

    A line of text rarely holds 100 characters, a rule (``=====``), a dotted leader or a dashed
    line (``- - - -``) at most about 130; a decoder in a loop runs until its position table ends.
    So what decides is the length of the repeated stretch, not the number of copies.

    Attributes:
        token_strings: the text each token adds, ``None`` for special tokens. Without it every
            token counts as one character that is no letter and no digit.
        max_run: a stretch of this many characters is a loop if its unit has a letter or digit.
        max_rule_run: the same for a unit without one, as in rules and leaders.
        min_copies: fewer copies of a unit are never a loop.
        max_period: longest unit looked for, in tokens.
    """

    token_strings: Sequence[str | None] | None = None
    max_run: int = 100
    max_rule_run: int = 200
    min_copies: int = 4
    max_period: int = 64

    def is_loop(self, tokens: Sequence[int]) -> bool:
        """Tell whether ``tokens`` (new tokens only, no EOS) end in a loop."""
        return self._loop(tokens) is not None

    def kept_length(self, tokens: Sequence[int]) -> int:
        """Return how many leading tokens to keep: the first copy of the unit, to the word's end."""
        loop = self._loop(tokens)
        if loop is None:
            return len(tokens)
        start, period = loop
        # The stretch may begin inside a word ("Invoice the the": "e th"), so look one copy ahead.
        for end in range(start + period, start + 2 * period):
            if self._text(tokens[end - 1])[-1:].isspace() or self._text(tokens[end])[:1].isspace():
                return end
        return start + period

    def _loop(self, tokens: Sequence[int]) -> tuple[int, int] | None:
        """Return (start, period) of the loop at the end of ``tokens``, shortest period first."""
        ids = list(tokens)
        longest = min(self.max_period, len(ids) // self.min_copies)
        for period in range(1, longest + 1):
            if ids[-1] != ids[-1 - period] or ids[-period:] != ids[-2 * period : -period]:
                continue
            start = len(ids) - period
            while start > 0 and ids[start - 1] == ids[start - 1 + period]:
                start -= 1
            if (len(ids) - start) >= self.min_copies * period and self._too_long(
                ids[start:], ids[-period:]
            ):
                return start, period
        return None

    def _too_long(self, stretch: list[int], unit: list[int]) -> bool:
        text = "".join(map(self._text, unit))
        limit = self.max_run if any(map(str.isalnum, text)) else self.max_rule_run
        lengths = {token: max(1, len(self._text(token))) for token in set(unit)}
        return sum(lengths[token] for token in stretch) >= limit

    def _text(self, token: int) -> str:
        if self.token_strings is None or token >= len(self.token_strings):
            return ""
        return self.token_strings[token] or ""
