"""Draft and verify, and hybrid CTC/attention decoding (Watanabe et al. 2017).

One parallel pass over a draft shows whether greedy decoding would write the same tokens
(Leviathan et al. 2023, arXiv 2211.17192). Where it would not, the decoder searches; and where the
encoder has a CTC head, the hypothesis with the better joint probability is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from .ctc import ctc_log_probability
from .decoding import (
    Constraint,
    DraftedPool,
    DraftedRow,
    GenerateOutput,
    LinePool,
    PoolRow,
    RepetitionGuard,
    WrittenRow,
    generate,
    greedy_rules,
    longest_sequence,
)
from .decoding.logits import penalty_rules
from .decoding.search import Search
from .drafts import DraftCounts, start_token
from .generation_config import GenerationConfig
from .model import VisionEncoderDecoderModel
from .outputs import EncoderOutput

CTC_WEIGHT = 0.4  # of the CTC log-probability in the joint score


@dataclass(frozen=True)
class Hypothesis:
    """One reading of one line.

    Attributes:
        token_ids: without special tokens.
        token_logprobs: natural log-probability of each token under the decoder, then of the end.
        finish_reason: ``"eos"``, ``"length"`` or ``"repetition"``.
        ctc_logprob: log-probability of the text under the CTC head, where there is one.
    """

    token_ids: list[int]
    token_logprobs: list[float]
    finish_reason: str
    ctc_logprob: float | None = None

    @property
    def logprob(self) -> float:
        """Joint log-probability; the decoder's alone where there is no CTC head."""
        decoder = sum(self.token_logprobs)
        if self.ctc_logprob is None:
            return decoder
        return CTC_WEIGHT * self.ctc_logprob + (1 - CTC_WEIGHT) * decoder

    @property
    def mean_logprob(self) -> float:
        """``logprob`` over the number of tokens, the end included."""
        return self.logprob / max(1, len(self.token_logprobs))


@dataclass(frozen=True)
class EncodedLines:
    """Encoder outputs of some lines.

    Attributes:
        numbers: by which the caller knows the lines.
        drafts: token ids that each line may hold; None where nobody guessed.
    """

    numbers: list[int]
    encoded: EncoderOutput
    drafts: list[list[int]] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def select(self, rows: list[int]) -> EncodedLines:
        """Some of the lines, without their drafts."""
        index = torch.tensor(rows, device=self.encoded.last_hidden_state.device)
        return EncodedLines([self.numbers[row] for row in rows], select_rows(self.encoded, index))

    @staticmethod
    def join(parts: Sequence[EncodedLines]) -> EncodedLines:
        """All lines of several batches, padded to the longest, without their drafts."""
        if len(parts) == 1:
            return EncodedLines(parts[0].numbers, parts[0].encoded)
        numbers = [number for part in parts for number in part.numbers]
        return EncodedLines(numbers, join_rows([part.encoded for part in parts]))


Found = tuple[EncodedLines, list[list[Hypothesis]]]  # those of each line, best first


class HybridDecoder:
    """Turns encoder outputs into hypotheses, best first.

    Args:
        model: with or without a CTC head on its encoder.
        settings: of the search.
        constraint: what the text must be.
        guard: ends loops.
        counts: of drafts, to go on from.
        n_best: hypotheses of a line that are wanted.
    """

    def __init__(
        self,
        model: VisionEncoderDecoderModel,
        settings: GenerationConfig,
        constraint: Constraint | None = None,
        guard: RepetitionGuard | None = None,
        counts: DraftCounts | None = None,
        n_best: int = 1,
    ) -> None:
        self.model = model
        self.n_best = n_best
        self.settings = settings.merged(return_dict_in_generate=True)
        self.constraint = constraint
        self.guard = guard
        self.counts = DraftCounts() if counts is None else counts
        config = model.config.decoder
        self._start = start_token(model, settings)
        self._end: int = [*settings.eos_token_ids, config.eos_token_id][0]
        self._pad: int = config.pad_token_id
        self._max_positions: int = config.max_position_embeddings
        limit = longest_sequence(settings, 1, self._max_positions)
        self._room = limit - 1
        # Then the decoder's likeliest token is what greedy search writes, if it is allowed.
        unruled = (
            not settings.do_sample
            and self._start != self._pad
            and bool(settings.eos_token_ids)
            and not penalty_rules(settings, 1, limit)
        )
        self._plain = unruled and settings.num_beams == 1
        self._has_ctc_head = hasattr(model.encoder, "ctc_head")
        # Where CTC head and decoder agree, more beams hardly ever find what both find likelier.
        agree = unruled and n_best == 1 and self._has_ctc_head
        self._takes_drafts = self._plain or agree

    @property
    def wants_drafts(self) -> bool:
        """Whether they can spare work, or count as hypotheses."""
        return self._plain or self._has_ctc_head

    def drafted_pool(self) -> DraftedPool | None:
        """A search along drafts that lines join and leave, if settings and model allow it."""
        if not (self._plain and self.settings.use_cache and self.model.joins_rows):
            return None
        return DraftedPool(self._greedy_rules(), self._max_positions)

    def line_pool(self) -> LinePool | None:
        """A search that lines join and leave, if settings and model allow it."""
        settings = self.settings
        alone = settings.num_beams == settings.num_return_sequences == 1
        if not (alone and settings.use_cache and self.model.joins_rows) or settings.do_sample:
            return None
        return LinePool(self._greedy_rules())

    def read_drafts(
        self, lines: EncodedLines, pool: DraftedPool
    ) -> tuple[list[Hypothesis], list[DraftedRow]]:
        """Have lines join a pool: what drafts a CTC head is to rank, and lines finished at once."""
        assert lines.drafts is not None
        drafts = [self._cut(draft) for draft in lines.drafts]
        rows, logits = pool.admit(lines.numbers, drafts, self.model.decoder_steps(lines.encoded))
        # Without a CTC head nobody ranks them.
        readings = self._readings(drafts, logits) if self._has_ctc_head else []
        finished = [row for row in rows if not row.line.is_open]
        self.counts.proposed += len(rows)
        self.counts.accepted += sum(self._is_draft(row) for row in finished)
        return readings, finished

    def _is_draft(self, row: DraftedRow) -> bool:
        found = self.written(row)
        return found.token_ids == row.draft and found.finish_reason != "repetition"

    def admit(self, lines: EncodedLines, pool: LinePool) -> list[PoolRow]:
        """Have lines join a pool; those that are finished at once."""
        steps = self.model.decoder_steps(lines.encoded)
        start = torch.full((len(lines), 1), self._start, device=self.model.device)
        rows = [PoolRow(number, pool.start()) for number in lines.numbers]
        return pool.admit(rows, steps, steps.step(start))

    def advance(self, pool: DraftedPool | LinePool) -> Sequence[WrittenRow]:
        """Write on all lines of a pool; those that are finished."""
        return pool.advance()

    def written(self, row: WrittenRow) -> Hypothesis:
        """What a line is that has left a pool."""
        return self._hypothesis(row.line.tokens, row.line.logprobs, row.line.finish_reason)

    def verified(self, lines: EncodedLines) -> tuple[list[Hypothesis], list[int]]:
        """A draft of each line, and the rows where it is the reading."""
        assert lines.drafts is not None
        drafts = [self._cut(draft) for draft in lines.drafts]
        states = lines.encoded.last_hidden_state
        inputs = _padded([[self._start, *draft] for draft in drafts], self._end, states.device)
        logits = self.model(
            encoder_outputs=lines.encoded,
            decoder_input_ids=inputs,
            use_cache=False,
            return_dict=True,
        ).logits.float()
        readings = self._readings(drafts, logits)
        if not self._takes_drafts:
            return readings, []
        written = logits.max(-1).indices.tolist()
        agreed = [row for row, draft in enumerate(drafts) if self._writes(written[row], draft)]
        self.counts.proposed += len(drafts)
        self.counts.accepted += len(agreed)
        return readings, agreed

    def searched(
        self,
        lines: EncodedLines,
        drafts: Mapping[int, Hypothesis],
    ) -> Found:
        """The hypotheses of lines that are searched together, as ``ranked`` gives them."""
        return self.ranked(lines, self._search(lines.encoded), drafts)

    def ranked(
        self,
        lines: EncodedLines,
        found: list[list[Hypothesis]],
        drafts: Mapping[int, Hypothesis] = MappingProxyType({}),
    ) -> Found:
        """The lines and their hypotheses, best first by CTC head and decoder.

        Args:
            drafts: by the numbers of the lines; hypotheses, too, where a CTC head has a say.
        """
        logits, mask = lines.encoded.ctc_logits, lines.encoded.attention_mask
        if logits is None:
            return lines, found
        assert mask is not None
        blank = self.model.config.encoder.ctc_blank_token_id
        ranked = []
        for row, (number, hypotheses) in enumerate(zip(lines.numbers, found, strict=True)):
            every = self._with_draft(hypotheses, drafts.get(number))
            texts = [hypothesis.token_ids for hypothesis in every]
            scores = ctc_log_probability(logits[row], mask[row], texts, blank)
            scored = zip(every, scores, strict=True)
            joint = [replace(hypothesis, ctc_logprob=score) for hypothesis, score in scored]
            ranked.append(sorted(joint, key=lambda h: h.logprob, reverse=True))
        return lines, ranked

    def _with_draft(self, found: list[Hypothesis], draft: Hypothesis | None) -> list[Hypothesis]:
        if draft is None or not self._allows(draft.token_ids):
            return found
        written = any(hypothesis.token_ids == draft.token_ids for hypothesis in found)
        return found if written else [*found, draft]

    def _cut(self, draft: list[int]) -> list[int]:
        """What of a draft a search could write before it ends."""
        known = self.model.config.decoder.vocab_size
        never = {*self.settings.eos_token_ids, self._end, self._pad}
        length = next((i for i, t in enumerate(draft) if t in never or t >= known), len(draft))
        return draft[: min(length, self._room)]

    def _readings(self, drafts: list[list[int]], logits: Tensor) -> list[Hypothesis]:
        """Each draft as a hypothesis.

        Args:
            logits: (drafts, longest + 1, vocab) after the start and after each token.
        """
        targets = [[*draft, self._end][: self._room] for draft in drafts]
        table = _padded(targets, self._end, logits.device)
        logits = logits[:, : table.shape[1]]
        logprobs = (logits.gather(-1, table[..., None])[..., 0] - logits.logsumexp(-1)).tolist()
        reasons = ["eos" if len(draft) < self._room else "length" for draft in drafts]
        return [
            Hypothesis(draft, row[: len(target)], reason)
            for draft, row, target, reason in zip(drafts, logprobs, targets, reasons, strict=True)
        ]

    def _writes(self, written: list[int], draft: list[int]) -> bool:
        """Whether a search would write this draft, if its likeliest tokens are these."""
        target = [*draft, self._end][: self._room]
        return written[: len(target)] == target and self._allows(draft) and not self._loops(draft)

    def _greedy_rules(self) -> Search:
        return greedy_rules(
            self._start,
            self.settings,
            max_positions=self._max_positions,
            constraint=self.constraint,
            stop_repetition=self.guard,
            device=self.model.device,
        )

    def _loops(self, token_ids: Sequence[int]) -> bool:
        """Whether a search would have stopped on the way."""
        guard = self.guard
        return guard is not None and any(
            guard.is_loop(token_ids[: length + 1]) for length in range(len(token_ids))
        )

    def _allows(self, token_ids: Sequence[int]) -> bool:
        if self.constraint is None:
            return True
        state = self.constraint.initial
        for token_id in token_ids:
            if not self.constraint.allowed(state)[token_id]:
                return False
            state = self.constraint.advance(state, token_id)
        return self.constraint.accepts(state)

    def _search(self, encoded: EncoderOutput) -> list[list[Hypothesis]]:
        states = encoded.last_hidden_state
        output = generate(
            self.model.decoder_steps(encoded, use_cache=self.settings.use_cache),
            torch.full((len(states), 1), self._start, device=states.device),
            self.settings,
            max_positions=self._max_positions,
            constraint=self.constraint,
            stop_repetition=self.guard,
        )
        found = [self._packed(output, row) for row in range(len(output.finish_reasons))]
        per_line = self.settings.num_return_sequences
        lines = [found[i : i + per_line] for i in range(0, len(found), per_line)]
        return [[h for h in line if h.finish_reason != "none"] for line in lines]

    def _packed(self, output: GenerateOutput, row: int) -> Hypothesis:
        mask = output.token_mask[row]
        new_ids = output.sequences[row, -mask.shape[0] :] if mask.shape[0] else mask.new_empty(0)
        ids: list[int] = new_ids[mask].tolist()
        logprobs: list[float] = output.token_logprobs[row][mask].tolist()
        return self._hypothesis(ids, logprobs, output.finish_reasons[row])

    def _hypothesis(self, ids: list[int], logprobs: list[float], reason: str) -> Hypothesis:
        if reason == "eos":
            ids = ids[:-1]
        if reason == "repetition" and self.guard is not None:
            kept = self.guard.kept_length(ids)
            ids, logprobs = ids[:kept], logprobs[:kept]
        return Hypothesis(ids, logprobs, reason)


def select_rows(encoded: EncoderOutput, rows: Tensor) -> EncoderOutput:
    """The encoder outputs of some lines: ``rows`` is (lines,) int64."""
    masks, logits = encoded.attention_mask, encoded.ctc_logits
    return EncoderOutput(
        last_hidden_state=encoded.last_hidden_state[rows],
        attention_mask=None if masks is None else masks[rows],
        ctc_logits=None if logits is None else logits[rows],
    )


def join_rows(parts: Sequence[EncoderOutput]) -> EncoderOutput:
    """The encoder outputs of several batches of lines, padded to the longest."""
    masks = [part.attention_mask for part in parts if part.attention_mask is not None]
    logits = [part.ctc_logits for part in parts if part.ctc_logits is not None]
    return EncoderOutput(
        last_hidden_state=_joined([part.last_hidden_state for part in parts]),
        attention_mask=_joined(masks) if masks else None,
        ctc_logits=_joined(logits) if logits else None,
    )


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors (rows, length, ...) to one, padded with 0."""
    return pad_sequence([row for tensor in tensors for row in tensor], batch_first=True)


def _padded(rows: list[list[int]], value: int, device: torch.device) -> Tensor:
    longest = max(map(len, rows))
    table = [F.pad(torch.tensor(row), (0, longest - len(row)), value=value) for row in rows]
    return torch.stack(table).to(device)
