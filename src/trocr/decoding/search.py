"""What every search shares: rules, limits and reasons to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import UsageError
from ..generation_config import GenerationConfig
from .constraints import Constraint
from .logits import NEVER, LogitsRule, penalty_rules, sampling_rules
from .protocol import GenerateOutput, Hypothesis, pack_hypotheses
from .repetition import RepetitionGuard


@dataclass
class Search:
    """The settings and the limits that a search obeys, and what it records.

    Attributes:
        prompt_ids: (batch, prompt_len) int64.
        max_length: longest sequence, prompt included.
        pad_token_id: fills finished rows.
    """

    config: GenerationConfig
    prompt_ids: Tensor
    max_length: int
    constraint: Constraint | None = None
    guard: RepetitionGuard | None = None
    generator: torch.Generator | None = None
    scores: list[Tensor] = field(default_factory=list)
    logits: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        eos = self.config.eos_token_ids
        self.eos_token_ids = frozenset(eos)
        pad = self.config.pad_token_id
        self.pad_token_id = pad if pad is not None else (eos[0] if eos else 0)
        self._penalties = penalty_rules(self.config, self.prompt_len, self.max_length)
        self._sampling = sampling_rules(self.config)

    @property
    def batch(self) -> int:
        """Number of inputs."""
        return self.prompt_ids.shape[0]

    @property
    def prompt_len(self) -> int:
        """Number of tokens given in front."""
        return self.prompt_ids.shape[1]

    def start(self) -> Hypothesis:
        """Return a line without tokens."""
        return Hypothesis(state=self.constraint.initial if self.constraint else 0)

    def process(self, scores: Tensor, rows: Sequence[Hypothesis], inputs: Sequence[int]) -> Tensor:
        """Apply penalties, then the constraint, then the sampling rules.

        Args:
            scores: (rows, vocab) float32 logits or log-probabilities.
            rows: the line that each row continues.
            inputs: the row of the batch that each line belongs to.
        """
        if not (self._penalties or self._sampling or self.constraint):
            return scores
        lengths = {len(row.tokens) for row in rows}
        if len(lengths) == 1:
            return self._processed(scores, rows, inputs)
        processed = torch.empty_like(scores)
        for length in lengths:  # of lines that began at different times
            places = [place for place, row in enumerate(rows) if len(row.tokens) == length]
            processed[places] = self._processed(
                scores[places], [rows[place] for place in places], [inputs[i] for i in places]
            )
        return processed

    def _processed(
        self, scores: Tensor, rows: Sequence[Hypothesis], inputs: Sequence[int]
    ) -> Tensor:
        """``process`` for lines of one length."""
        new = torch.tensor([row.tokens for row in rows], dtype=torch.int64)
        new = new.reshape(len(rows), -1).to(scores.device)
        tokens = torch.cat([self.prompt_ids[list(inputs)], new], dim=1)
        processed = _apply(self._penalties, tokens, scores)
        if self.constraint is not None:
            remaining = self.max_length - tokens.shape[1]
            states = [row.state for row in rows]
            allowed = self.constraint.allowed_rows(states, remaining, scores.shape[1])
            processed = _constrain(processed, scores, allowed.to(scores.device))
        return _apply(self._sampling, tokens, processed)

    def next_state(self, row: Hypothesis, token: int) -> int:
        """Return the constraint's state after ``token``; 0 without a constraint."""
        if self.constraint is None or token in self.eos_token_ids:
            return row.state
        return self.constraint.advance(row.state, token)

    def finish_reason(self, tokens: Sequence[int]) -> str:
        """Return why a line of these new tokens ends, or ``""`` if it goes on."""
        if tokens[-1] in self.eos_token_ids:
            return "eos"
        if self.guard is not None and self.guard.is_loop(tokens):
            return "repetition"
        return "length" if self.prompt_len + len(tokens) >= self.max_length else ""

    def record(self, scores: Tensor, logits: Tensor, places: Sequence[int], rows: int) -> None:
        """Keep a step's scores and logits if asked for; row i goes to row ``places[i]``."""
        for wanted, kept, values in (
            (self.config.output_scores, self.scores, scores),
            (self.config.output_logits, self.logits, logits),
        ):
            if wanted:
                full = values.new_zeros(rows, values.shape[1])
                full[list(places)] = values
                kept.append(full)

    def output(self, rows: Sequence[Hypothesis]) -> GenerateOutput:
        """Pack finished lines, ``num_return_sequences`` for each input, and what was recorded."""
        prompts = self.prompt_ids.repeat_interleave(self.config.num_return_sequences, dim=0)
        output = pack_hypotheses(rows, prompts, self.pad_token_id)
        output.scores = tuple(self.scores) if self.config.output_scores else None
        output.logits = tuple(self.logits) if self.config.output_logits else None
        return output

    def generators(self, rows: Sequence[int]) -> list[torch.Generator | None]:
        """Return a random stream for each row, by its place among the sequences of one input.

        With ``seed`` every row has its own stream, so that a line does not depend on its batch;
        otherwise all share the given generator, or the global one.
        """
        if self.generator is not None or self.config.seed is None:
            return [self.generator for _ in rows]
        device = self.prompt_ids.device
        return [torch.Generator(device).manual_seed(self.config.seed + row) for row in rows]


def draw(probabilities: Tensor, count: int, generators: Sequence[torch.Generator | None]) -> Tensor:
    """Draw ``count`` distinct columns of each row: (rows, columns) -> (rows, count) int64."""
    if len(set(generators)) == 1:
        return torch.multinomial(probabilities, count, generator=generators[0])
    draws = [
        torch.multinomial(row, count, generator=generator)
        for row, generator in zip(probabilities, generators, strict=True)
    ]
    return torch.stack(draws)


def longest_sequence(config: GenerationConfig, prompt_len: int, max_positions: int) -> int:
    """Return the length limit, prompt included: the settings' own or the position table's.

    Raises:
        UsageError: the prompt alone reaches the limit.
    """
    limit = max_positions
    if config.max_new_tokens is not None:
        limit = min(limit, prompt_len + config.max_new_tokens)
    elif config.max_length is not None:
        limit = min(limit, config.max_length)
    if prompt_len >= limit:
        raise UsageError(
            f"The prompt has {prompt_len} tokens, and the longest sequence is {limit}.",
            "Shorten the prompt, or set max_new_tokens.",
        )
    return limit


def _apply(rules: Sequence[LogitsRule], tokens: Tensor, scores: Tensor) -> Tensor:
    for rule in rules:
        scores = rule(tokens, scores)
    return scores


def _constrain(processed: Tensor, scores: Tensor, allowed: Tensor) -> Tensor:
    """Ban what the constraint does not allow; it wins where the penalties leave nothing."""
    kept = processed.masked_fill(~allowed, NEVER)
    stuck = kept.max(dim=-1, keepdim=True).values == NEVER
    return torch.where(stuck, scores.masked_fill(~allowed, NEVER), kept)
