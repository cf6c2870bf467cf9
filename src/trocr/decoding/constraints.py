"""Constrained decoding: which tokens may come next, so that the text keeps to a rule.

A rule on characters becomes a rule on tokens by walking a character automaton along each token's
text. No state is a dead end: every allowed token leaves the rule satisfiable with the vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import UsageError
from . import automaton, regex
from .automaton import CharAutomaton

_UNREACHABLE = np.iinfo(np.int32).max // 2
# One mask of a 64,044-token vocabulary is 64 kB.
_MASKS_KEPT = 1024

IntArray = npt.NDArray[np.int32]


def allow_characters(
    characters: str, token_strings: Sequence[str | None], eos_token_id: int | Sequence[int]
) -> Constraint:
    """Allow only texts of these characters, the empty text included.

    Args:
        characters: characters, ranges and escapes as inside ``[...]``: ``"0-9./"``.
        token_strings: the text each token adds; ``None`` for special tokens and partial bytes. A
            leading space is dropped from the first token of a line.
        eos_token_id: the end-of-sequence token or tokens.

    Raises:
        UsageError: bad syntax, or no token is spelt with these characters.
    """
    chars = regex.parse_characters(characters)
    rule = automaton.from_pattern(regex.Repeat(chars, 0, None), _alphabet(token_strings))
    bodies = (text for token in token_strings for text in (token, _without_space(token)) if text)
    if not any(all(char in chars for char in text) for text in bodies):
        raise UsageError(
            f"No token of the vocabulary is spelt with the characters {characters!r}.",
            "Allow characters that the model knows.",
        )
    return Constraint(rule, token_strings, eos_token_id)


def match_regex(
    pattern: str, token_strings: Sequence[str | None], eos_token_id: int | Sequence[int]
) -> Constraint:
    """Allow only texts that match ``pattern`` as a whole; see :mod:`trocr.decoding.regex`.

    Raises:
        UsageError: unsupported syntax, or no text of this vocabulary matches.
    """
    rule = automaton.from_pattern(regex.parse_pattern(pattern), _alphabet(token_strings))
    constraint = Constraint(rule, token_strings, eos_token_id)
    if not constraint.is_possible():
        raise UsageError(
            f"No text that the model can write matches the pattern {pattern!r}.",
            "Use characters that the model knows.",
        )
    return constraint


def match_lexicon(
    words: Iterable[str], token_strings: Sequence[str | None], eos_token_id: int | Sequence[int]
) -> Constraint:
    """Allow only texts that are one of ``words``, which may hold spaces.

    Raises:
        UsageError: no word can be spelt with this vocabulary.
    """
    rule = automaton.from_words(words, _alphabet(token_strings))
    constraint = Constraint(rule, token_strings, eos_token_id)
    if not constraint.is_possible():
        raise UsageError(
            "No word of the lexicon can be spelt with the model's vocabulary.",
            "Check that the lexicon is not empty and uses characters that the model knows.",
        )
    return constraint


class Constraint:
    """An automaton over tokens. Its states are integers; it starts in ``initial``.

    ``initial`` is the first state of the character automaton at the start of a line, where a
    token's leading space is dropped.
    """

    def __init__(
        self,
        rule: CharAutomaton,
        token_strings: Sequence[str | None],
        eos_token_id: int | Sequence[int],
    ) -> None:
        self._rule = rule
        self._eos = [eos_token_id] if isinstance(eos_token_id, int) else list(eos_token_id)
        self._strings = [
            None if token in self._eos else text or None for token, text in enumerate(token_strings)
        ]
        self.initial = len(rule.table)
        self._inside = _TokenTable(self._strings, rule)
        self._at_start = _TokenTable([_without_space(text) for text in self._strings], rule)
        self._distance = self._distances()
        reachable = self._distance[self._distance < _UNREACHABLE]
        self._farthest = int(reachable.max(initial=0))
        self._mask = lru_cache(maxsize=_MASKS_KEPT)(self._compute_mask)

    def accepts(self, state: int) -> bool:
        """Tell whether the text may end in ``state``."""
        return bool(self._rule.accepting[0 if state == self.initial else state])

    def allowed(self, state: int, remaining: int | None = None) -> Tensor:
        """Return the tokens that may follow, EOS included where the text may end.

        Args:
            state: where the text is.
            remaining: tokens that still fit. Near the limit only tokens that let the text end in
                time are allowed, as far as there are any.

        Returns:
            (vocab,) bool, on the CPU; cached, so do not write to it.
        """
        farthest = self._farthest + 1
        return self._mask(state, farthest if remaining is None else min(remaining, farthest))

    def allowed_rows(self, states: Sequence[int], remaining: int, vocab_size: int) -> Tensor:
        """Stack ``allowed`` of several states, (rows, vocab_size); unknown tokens are not allowed.

        Raises:
            UsageError: the constraint knows more tokens than the model.
        """
        masks = torch.stack([self.allowed(state, remaining) for state in states])
        missing = vocab_size - masks.shape[1]
        if missing < 0:
            raise UsageError(
                f"The constraint has {masks.shape[1]} tokens, the model {vocab_size}.",
                "Build the constraint with the model's own tokenizer.",
            )
        return torch.nn.functional.pad(masks, (0, missing))

    def advance(self, state: int, token_id: int) -> int:
        """Return the state after ``token_id``; after EOS the text stays where it is."""
        if token_id in self._eos:
            return state
        text = self._strings[token_id]
        if state == self.initial:
            state, text = 0, _without_space(text)
        return self._rule.dead if text is None else self._rule.walk(state, text)

    def is_possible(self) -> bool:
        """Tell whether any text satisfies the constraint."""
        return bool(self.allowed(self.initial).any())

    def _successors(self, state: int) -> IntArray:
        """Return the state after each token, (vocab,)."""
        if state == self.initial:
            return self._at_start.successors(0)
        return self._inside.successors(state)

    def _compute_mask(self, state: int, remaining: int) -> Tensor:
        distance = self._distance[self._successors(state)]
        mask = distance < remaining
        mask[self._eos] = self.accepts(state)
        return torch.from_numpy(mask if mask.any() else distance < _UNREACHABLE)

    def _distances(self) -> IntArray:
        """Return, for each state, how many tokens surely reach the end of a text, (states + 1,).

        Counted by single characters, which is exact for liveness wherever every character is a
        token; other states that may be alive are settled by walking every token.
        """
        rule = self._rule
        tokens = {text for text in self._strings if text}
        columns = {
            rule.class_of[char] for char in tokens if len(char) == 1 and char in rule.class_of
        }
        distance = _backward_distances(rule, sorted(columns))
        maybe_alive = _backward_distances(rule, list(range(rule.table.shape[1]))) < _UNREACHABLE
        doubtful = np.flatnonzero(maybe_alive & (distance == _UNREACHABLE))
        successors = {int(state): np.unique(self._successors(int(state))) for state in doubtful}
        changed = True
        while changed:
            changed = False
            for state, targets in successors.items():
                nearest = int(distance[targets].min(initial=_UNREACHABLE)) + 1
                if nearest < distance[state]:
                    distance[state] = nearest
                    changed = True
        return distance


class _TokenTable:
    """The texts of all tokens as columns of automaton classes, longest token first."""

    def __init__(self, strings: Sequence[str | None], rule: CharAutomaton) -> None:
        self._rule = rule
        known = rule.class_of.keys()
        spelt = [
            (token, [rule.class_of[char] for char in text])
            for token, text in enumerate(strings)
            if text is not None and known >= set(text)
        ]
        spelt.sort(key=lambda pair: -len(pair[1]))
        self._tokens = np.array([token for token, _ in spelt], dtype=np.int64)
        self._vocab_size = len(strings)
        longest = len(spelt[0][1]) if spelt else 0
        self._columns = [
            np.array([codes[i] for _, codes in spelt if len(codes) > i], dtype=np.int32)
            for i in range(longest)
        ]

    def successors(self, state: int) -> IntArray:
        """Return the state after each token, (vocab,); the dead state where it does not fit."""
        reached = np.full(len(self._tokens), state, dtype=np.int32)
        for codes in self._columns:
            reached[: len(codes)] = self._rule.table[reached[: len(codes)], codes]
        result = np.full(self._vocab_size, self._rule.dead, dtype=np.int32)
        result[self._tokens] = reached
        return result


def _backward_distances(rule: CharAutomaton, columns: Sequence[int]) -> IntArray:
    """Return how many characters of these columns lead to an accepting state, (states + 1,)."""
    distance = np.where(rule.accepting, 0, _UNREACHABLE).astype(np.int32)
    table = rule.table[:, list(columns)]
    while table.shape[1]:
        nearer = np.minimum(distance, distance[table].min(axis=1) + 1)
        if (nearer == distance).all():
            break
        distance = nearer
    return np.minimum(distance, _UNREACHABLE).astype(np.int32)


def _alphabet(token_strings: Sequence[str | None]) -> set[str]:
    return {char for text in token_strings if text is not None for char in text}


def _without_space(text: str | None) -> str | None:
    return text[1:] if text is not None and text.startswith(" ") else text
