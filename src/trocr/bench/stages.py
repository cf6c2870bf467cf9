"""Where the time of ``Recognizer.read_lines`` goes, and how often its drafts hold.

Methods are wrapped from outside for as long as somebody looks: the core holds no timers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any

import torch

from .. import ahead, recognizer
from ..hybrid import HybridDecoder
from ..reading import LineReading
from ..recognizer import Recognizer
from . import machine

STAGES = ("preprocessing", "encoder", "drafts", "search", "other")


@dataclass(frozen=True)
class Call:
    """Of a method: the object is the first argument."""

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    result: Any


Seen = Callable[[Call], None]


@dataclass(frozen=True)
class Search:
    """``passes`` of the decoder; of each line its source tokens and the tokens that it wrote."""

    passes: int
    lines: list[tuple[int, int]]


@dataclass
class Stages:
    """What was seen of a read.

    Attributes:
        seconds: by stage, without what it spent in another one. ``drafts``: making and verifying
            them. ``other``: sorting, the CTC head's scores, texts, confidences.
        source_tokens: of every line with ink, by its place in the call: states that the encoder
            makes of it, without padding.
        batches: passes of the encoder.
        drafted, accepted: lines with a draft, and those of them that needed no search.
        draft_passes: passes of the decoder that verified drafts.
        further_passes: in which lines were written on along their drafts.
        searches: for lines without.
    """

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    source_tokens: dict[int, int] = field(default_factory=dict)
    batches: int = 0
    drafted: int = 0
    accepted: int = 0
    draft_passes: int = 0
    further_passes: int = 0
    searches: list[Search] = field(default_factory=list)

    def shares(self) -> dict[str, float]:
        """Per cent of all seconds, by stage."""
        whole = sum(self.seconds.values())
        return {name: 100 * seconds / whole for name, seconds in self.seconds.items()}

    @property
    def acceptance(self) -> float | None:
        """Per cent of the drafts that needed no search; None where nothing is drafted."""
        return 100 * self.accepted / self.drafted if self.drafted else None

    def on_encode(self, call: Call) -> None:
        """A batch was encoded."""
        self.batches += 1

    def on_verify(self, call: Call) -> None:
        """The drafts of a batch were verified."""
        self.draft_passes += 1

    def on_advance(self, call: Call) -> None:
        """Lines were written on."""
        self.further_passes += 1

    def on_search(self, call: Call) -> None:
        """Some lines were searched."""
        tokens = [[len(found.token_logprobs) for found in line] for line in call.result]
        written = [max(line, default=0) for line in tokens]
        lines = list(zip(_source_tokens(call.arguments[1]), written, strict=True))
        self.searches.append(Search(max(written), lines))

    def on_ranked(self, call: Call) -> None:
        """Some lines are read."""
        lines = call.arguments[1]
        tokens = _source_tokens(lines.encoded)
        self.source_tokens.update(zip(lines.numbers, tokens, strict=True))


def _source_tokens(encoded: Any) -> list[int]:
    if encoded.attention_mask is None:
        rows, length = encoded.last_hidden_state.shape[:2]
        return [length] * rows
    tokens: list[int] = encoded.attention_mask.sum(1, dtype=torch.int64).tolist()
    return tokens


@contextmanager
def watched(reader: Recognizer) -> Iterator[Stages]:
    """Time and count what ``reader`` does; a model that drafts for it is part of its drafts."""
    stages = Stages()
    clock = _Clock(stages.seconds, reader)
    seams: tuple[tuple[Any, str, str, Seen | None], ...] = (
        (Recognizer, "read_lines", "other", None),
        (recognizer, "load_image", "preprocessing", None),
        (ahead, "waited_for", "preprocessing", None),
        (LineReading, "_encode", "encoder", stages.on_encode),
        (reader, "drafter", "drafts", None),
        (HybridDecoder, "verified", "drafts", stages.on_verify),
        (HybridDecoder, "read_drafts", "drafts", stages.on_verify),
        (HybridDecoder, "advance", "search", stages.on_advance),
        (HybridDecoder, "_search", "search", stages.on_search),
        (HybridDecoder, "ranked", "other", stages.on_ranked),
    )
    with ExitStack() as stack:
        for owner, name, stage, seen in seams:
            if function := getattr(owner, name):  # a reader may have no drafter
                timed = clock.timed(function, stage, seen)
                stack.enter_context(_replaced(owner, name, timed))
        before = replace(reader.drafts)
        yield stages
        stages.drafted = reader.drafts.proposed - before.proposed
        stages.accepted = reader.drafts.accepted - before.accepted


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    own = name in vars(owner)
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)  # inherited


def _belongs_to(reader: Recognizer, first: Any) -> bool:
    """Whether a call with this first argument is not another recognizer's."""
    if isinstance(first, (HybridDecoder, LineReading)):
        return first.model is reader.model
    return not isinstance(first, Recognizer) or first is reader


class _Clock:
    """Charges every moment to the innermost stage that is running."""

    def __init__(self, seconds: dict[str, float], reader: Recognizer) -> None:
        self._seconds = seconds
        self._reader = reader
        self._running: list[str] = []
        self._since = 0.0

    def timed(
        self, function: Callable[..., Any], stage: str, seen: Seen | None
    ) -> Callable[..., Any]:
        """``function``, charged to ``stage`` and then seen."""

        @wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            if not _belongs_to(self._reader, args[0]):
                return function(*args, **options)
            self._turn()
            self._running.append(stage)
            try:
                result = function(*args, **options)
            finally:
                self._turn()
                self._running.pop()
            if seen:
                seen(Call(args, options, result))
                self._since = time.perf_counter()
            return result

        return timed

    def _turn(self) -> None:
        machine.synchronize(self._reader.device)  # what a GPU was only asked for so far
        now = time.perf_counter()
        if self._running:
            self._seconds[self._running[-1]] += now - self._since
        self._since = now
