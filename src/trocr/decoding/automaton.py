"""Character automata: deterministic, and small enough to hold as one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from . import regex

MAX_STATES = 20_000


@dataclass(frozen=True)
class CharAutomaton:
    """A deterministic automaton over characters; it starts in state 0.

    Attributes:
        table: (states + 1, classes) int32, the next state; the last row is the dead state, which
            leads to itself.
        accepting: (states + 1,) bool.
        class_of: the column of each character; one that is missing leads to the dead state.
    """

    table: npt.NDArray[np.int32]
    accepting: npt.NDArray[np.bool_]
    class_of: dict[str, int]

    @property
    def dead(self) -> int:
        """The state that nothing leads out of."""
        return len(self.table) - 1

    def walk(self, state: int, text: str) -> int:
        """Return the state after ``text``."""
        for char in text:
            column = self.class_of.get(char)
            state = self.dead if column is None else int(self.table[state, column])
        return state


def from_pattern(node: regex.Node, alphabet: Iterable[str]) -> CharAutomaton:
    """Build the automaton of a regular expression by subset construction.

    Args:
        node: the parsed expression.
        alphabet: the characters that can occur.

    Raises:
        UsageError: it needs more than ``MAX_STATES`` states.
    """
    nfa = _Nfa()
    final = nfa.add(node, nfa.new_state())
    sets = list(dict.fromkeys(char_set for edges in nfa.edges for char_set, _ in edges))
    class_of, signatures = _classes(sets, alphabet)
    found = [nfa.closure([0])]
    numbers = {found[0]: 0}
    rows: list[list[int]] = []
    for states in found:  # grows while it is walked
        row = []
        for signature in signatures:
            reached = nfa.closure(nfa.successors(states, signature))
            if reached and reached not in numbers:
                numbers[reached] = len(found)
                found.append(reached)
            row.append(numbers.get(reached, -1))
        rows.append(row)
        if len(found) > MAX_STATES:
            raise UsageError(
                f"The pattern needs more than {MAX_STATES} states.",
                "Use smaller counts, or fewer alternatives that begin alike.",
            )
    table = np.full((len(rows) + 1, max(1, len(signatures))), len(rows), dtype=np.int32)
    table[:-1, : len(signatures)] = rows
    table[table < 0] = len(rows)
    accepting = np.array([*(final in states for states in found), False])
    return CharAutomaton(table, accepting, class_of)


def from_words(words: Iterable[str], alphabet: Iterable[str]) -> CharAutomaton:
    """Build the smallest automaton that accepts exactly ``words``, spelt with ``alphabet``."""
    words = list(words)
    spelt = set().union(*words).intersection(alphabet)
    class_of = {char: column for column, char in enumerate(sorted(spelt))}
    edges: list[dict[int, int]] = [{}]
    accepting = [False]
    for word in words:
        if any(char not in class_of for char in word):
            continue
        state = 0
        for char in word:
            state = edges[state].setdefault(class_of[char], len(edges))
            if state == len(edges):
                edges.append({})
                accepting.append(False)
        accepting[state] = True
    return _merge_endings(edges, accepting, class_of)


def _merge_endings(
    edges: list[dict[int, int]], accepting: list[bool], class_of: dict[str, int]
) -> CharAutomaton:
    """Merge the states of a trie from which the same endings follow."""
    merged: dict[object, int] = {}
    canonical = [0] * len(edges)
    # A child is numbered after its parent, so going backwards meets every child first.
    for state in range(len(edges) - 1, -1, -1):
        targets = tuple(sorted((column, canonical[to]) for column, to in edges[state].items()))
        canonical[state] = merged.setdefault((accepting[state], targets), state)
    kept = sorted(set(canonical))
    number = {state: i for i, state in enumerate(kept)}
    table = np.full((len(kept) + 1, max(1, len(class_of))), len(kept), dtype=np.int32)
    for state in kept:
        for column, to in edges[state].items():
            table[number[state], column] = number[canonical[to]]
    final = np.array([accepting[state] for state in kept] + [False])
    return CharAutomaton(table, final, class_of)


class _Nfa:
    """Thompson's construction: state 0 is the start, ``add`` returns the end of what it adds."""

    def __init__(self) -> None:
        self.edges: list[list[tuple[regex.CharSet, int]]] = []
        self.empty: list[list[int]] = []

    def new_state(self) -> int:
        if len(self.edges) >= 10 * MAX_STATES:
            raise UsageError("The pattern is too large.", "Use smaller counts.")
        self.edges.append([])
        self.empty.append([])
        return len(self.edges) - 1

    def add(self, node: regex.Node, start: int) -> int:
        if isinstance(node, regex.CharSet):
            end = self.new_state()
            self.edges[start].append((node, end))
            return end
        if isinstance(node, regex.Concat):
            for part in node.parts:
                start = self.add(part, start)
            return start
        if isinstance(node, regex.Choice):
            end = self.new_state()
            for option in node.options:
                self.empty[self.add(option, self._after(start))].append(end)
            return end
        return self._repeat(node, start)

    def _repeat(self, node: regex.Repeat, start: int) -> int:
        for _ in range(node.least):
            start = self.add(node.node, start)
        if node.most is None:
            start = self._after(start)
            self.empty[self.add(node.node, start)].append(start)
            return self._after(start)
        end = self.new_state()
        for _ in range(node.most - node.least):
            self.empty[start].append(end)
            start = self.add(node.node, self._after(start))
        self.empty[start].append(end)
        return end

    def _after(self, state: int) -> int:
        fresh = self.new_state()
        self.empty[state].append(fresh)
        return fresh

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        found = set(states)
        stack = list(found)
        while stack:
            new = [state for state in self.empty[stack.pop()] if state not in found]
            found.update(new)
            stack += new
        return frozenset(found)

    def successors(self, states: Iterable[int], sets: frozenset[regex.CharSet]) -> list[int]:
        return [to for state in states for chars, to in self.edges[state] if chars in sets]


def _classes(
    sets: Sequence[regex.CharSet], alphabet: Iterable[str]
) -> tuple[dict[str, int], list[frozenset[regex.CharSet]]]:
    """Number the characters so that those in the same sets share a number."""
    numbers: dict[frozenset[regex.CharSet], int] = {}
    class_of = {}
    for char in sorted(alphabet):
        signature = frozenset(char_set for char_set in sets if char in char_set)
        class_of[char] = numbers.setdefault(signature, len(numbers))
    return class_of, list(numbers)
