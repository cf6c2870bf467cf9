"""What a search needs from a model, and what it gives back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from ..outputs import ModelOutput


class StepModel(Protocol):
    """An autoregressive model seen one step at a time; it keeps its own cache."""

    def step(self, token_ids: Tensor) -> Tensor:
        """Append ``token_ids`` (rows, new_tokens) int64; return the next token's logits.

        Returns:
            (rows, vocab_size), any floating dtype.
        """
        ...

    def reorder(self, rows: Tensor) -> None:
        """Make row i of the cache old row ``rows[i]``; rows (int64) may repeat, drop or grow."""
        ...


@runtime_checkable
class JoinableSteps(StepModel, Protocol):
    """A ``StepModel`` that takes rows in while others are on their way."""

    def join(self, other: Any) -> None:
        """Take the rows of another of the kind behind the own."""
        ...


@runtime_checkable
class ReadingSteps(JoinableSteps, Protocol):
    """``JoinableSteps`` that read tokens of which some are to be forgotten."""

    def read(self, token_ids: Tensor) -> Tensor:
        """Logits (rows, new_tokens, vocab) after each of ``token_ids`` (rows, new_tokens)."""
        ...

    def keep(self, counts: Tensor, length: int) -> None:
        """Of the last ``length`` tokens, row i read only the first ``counts[i]``."""
        ...


@dataclass
class GenerateOutput(ModelOutput):
    """The result of a search; ``rows`` is batch * num_return_sequences, best first per input.

    Attributes:
        sequences: (rows, length) int64, prompt included, padded with ``pad_token_id``.
        finish_reasons: per row ``"eos"``, ``"length"`` (limit or position table), ``"repetition"``
            (the guard stopped a loop), or ``"none"``: fewer hypotheses exist than were asked for,
            so this row is empty.
        token_logprobs: (rows, length - prompt) float32, natural log-probability of each chosen
            token under the model's own softmax, before penalties and constraints; 0 in padding.
        token_mask: (rows, length - prompt) bool, true for chosen tokens, the final EOS included.
        scores: per step (rows, vocab) float32 processed scores; zeros for rows that have finished.
            In a beam search log-probabilities, with batch * num_beams rows.
        logits: the same for the raw logits.
        sequences_scores: (rows,) float32, beam search only: log-probability over
            length ** length_penalty; -inf for an empty row.
        beam_indices: (rows, length - prompt) int32, beam search only: the row of ``scores`` that
            each token came from, -1 in padding.
    """

    sequences: Tensor
    finish_reasons: list[str]
    token_logprobs: Tensor
    token_mask: Tensor
    scores: tuple[Tensor, ...] | None = None
    logits: tuple[Tensor, ...] | None = None
    sequences_scores: Tensor | None = None
    beam_indices: Tensor | None = None


@dataclass
class Hypothesis:
    """One line while it is being decoded: its new tokens, and how it stands."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    score: float = 0.0
    state: int = 0
    finish_reason: str = "none"

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.finish_reason == "none"

    def extended(self, token: int, logprob: float, **changes: Any) -> Hypothesis:
        """Return a copy with one more token."""
        return Hypothesis([*self.tokens, token], [*self.logprobs, logprob], **changes)


def pack_hypotheses(
    rows: Sequence[Hypothesis], prompt_ids: Tensor, pad_token_id: int
) -> GenerateOutput:
    """Pad finished rows into tensors; ``prompt_ids`` has a prompt for each of them."""
    steps = max(len(row.tokens) for row in rows)
    device = prompt_ids.device

    def padded(values: list[list[Any]], fill: float, dtype: torch.dtype) -> Tensor:
        table = [[*row, *[fill] * (steps - len(row))] for row in values]
        return torch.tensor(table, dtype=dtype, device=device).reshape(len(rows), steps)

    new_ids = padded([row.tokens for row in rows], pad_token_id, torch.int64)
    return GenerateOutput(
        sequences=torch.cat([prompt_ids, new_ids], dim=1),
        finish_reasons=[row.finish_reason for row in rows],
        token_logprobs=padded([row.logprobs for row in rows], 0.0, torch.float32),
        token_mask=padded([[1] * len(row.tokens) for row in rows], 0, torch.bool),
    )
