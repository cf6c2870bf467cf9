"""Hybrid CTC/attention decoding (Watanabe et al. 2017): the CTC head drafts, the decoder verifies.

One parallel pass over the draft shows whether greedy decoding would write the same tokens
(Leviathan et al. 2023, arXiv 2211.17192). Where it would not, the decoder searches by itself, and
the hypothesis with the better joint probability is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .ctc import ctc_greedy_ids, ctc_log_probability
from .decoding import Constraint, GenerateOutput, RepetitionGuard, longest_sequence
from .generation_config import GenerationConfig
from .model import VisionEncoderDecoderModel
from .outputs import EncoderOutput

CTC_WEIGHT = 0.5  # of the CTC log-probability in the joint score


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


class HybridDecoder:
    """Turns encoder outputs into hypotheses, best first.

    Args:
        model: with or without a CTC head on its encoder.
        settings: of the search.
        constraint: what the text must be.
        guard: ends loops.
    """

    def __init__(
        self,
        model: VisionEncoderDecoderModel,
        settings: GenerationConfig,
        constraint: Constraint | None = None,
        guard: RepetitionGuard | None = None,
    ) -> None:
        self.model = model
        self.settings = settings.merged(return_dict_in_generate=True)
        self.constraint = constraint
        self.guard = guard

    def decode(self, encoded: EncoderOutput) -> list[list[Hypothesis]]:
        """Hypotheses of every line, best first; at least one each."""
        if encoded.ctc_logits is None or encoded.attention_mask is None:
            return self._search(encoded)
        blank = self.model.config.encoder.ctc_blank_token_id
        drafts = ctc_greedy_ids(encoded.ctc_logits, encoded.attention_mask, blank)
        readings, agreed = self._verify(encoded, drafts)
        greedy = self.settings.num_beams == 1 and not self.settings.do_sample
        open_rows = [i for i, same in enumerate(agreed) if not (same and greedy)]
        hypotheses = [[reading] for reading in readings]
        if open_rows:
            rows = torch.tensor(open_rows, device=encoded.ctc_logits.device)
            for row, found in zip(open_rows, self._search(select_rows(encoded, rows)), strict=True):
                hypotheses[row] = self._with_draft(found, readings[row])
        return [self._rescored(encoded, row, found) for row, found in enumerate(hypotheses)]

    def _with_draft(self, found: list[Hypothesis], draft: Hypothesis) -> list[Hypothesis]:
        written = any(hypothesis.token_ids == draft.token_ids for hypothesis in found)
        return found if written or not self._allows(draft.token_ids) else [*found, draft]

    def _verify(
        self, encoded: EncoderOutput, drafts: list[list[int]]
    ) -> tuple[list[Hypothesis], list[bool]]:
        """Each draft as a hypothesis, and whether it is what greedy decoding writes."""
        config = self.model.config.decoder
        room = longest_sequence(self.settings, 1, config.max_position_embeddings) - 1
        ended = [len(draft) < room for draft in drafts]  # with room for the end token
        drafts = [draft[:room] for draft in drafts]
        start, end = config.decoder_start_token_id, config.eos_token_id
        inputs = _padded([[start, *draft] for draft in drafts], end, encoded)
        targets = _padded([[*draft, end] for draft in drafts], end, encoded)
        logits = self.model(
            encoder_outputs=encoded, decoder_input_ids=inputs, use_cache=False, return_dict=True
        ).logits.float()
        logprobs = logits.log_softmax(-1).gather(-1, targets[..., None])[..., 0]
        lengths = [len(draft) + whole for draft, whole in zip(drafts, ended, strict=True)]
        same = logits.max(-1).indices == targets
        agreed = [
            bool(row[:length].all()) and self._allows(draft)
            for row, length, draft in zip(same, lengths, drafts, strict=True)
        ]
        readings = [
            Hypothesis(draft, row[:length].tolist(), "eos" if whole else "length")
            for draft, row, length, whole in zip(drafts, logprobs, lengths, ended, strict=True)
        ]
        return readings, agreed

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
        output = self.model.generate(
            encoder_outputs=encoded,
            constraint=self.constraint,
            stop_repetition=self.guard,
            **self.settings.settings(),  # one by one, or the folder's would replace the defaults
        )
        assert isinstance(output, GenerateOutput)
        found = [self._hypothesis(output, row) for row in range(len(output.finish_reasons))]
        per_line = self.settings.num_return_sequences
        lines = [found[i : i + per_line] for i in range(0, len(found), per_line)]
        return [[h for h in line if h.finish_reason != "none"] for line in lines]

    def _hypothesis(self, output: GenerateOutput, row: int) -> Hypothesis:
        mask = output.token_mask[row]
        new_ids = output.sequences[row, -mask.shape[0] :] if mask.shape[0] else mask.new_empty(0)
        ids: list[int] = new_ids[mask].tolist()
        logprobs: list[float] = output.token_logprobs[row][mask].tolist()
        reason = output.finish_reasons[row]
        if reason == "eos":
            ids = ids[:-1]
        if reason == "repetition" and self.guard is not None:
            kept = self.guard.kept_length(ids)
            ids, logprobs = ids[:kept], logprobs[:kept]
        return Hypothesis(ids, logprobs, reason)

    def _rescored(
        self, encoded: EncoderOutput, row: int, found: list[Hypothesis]
    ) -> list[Hypothesis]:
        assert encoded.ctc_logits is not None
        assert encoded.attention_mask is not None
        blank = self.model.config.encoder.ctc_blank_token_id
        texts = [hypothesis.token_ids for hypothesis in found]
        scores = ctc_log_probability(
            encoded.ctc_logits[row], encoded.attention_mask[row], texts, blank
        )
        rescored = [replace(h, ctc_logprob=score) for h, score in zip(found, scores, strict=True)]
        return sorted(rescored, key=lambda h: h.logprob, reverse=True)


def select_rows(encoded: EncoderOutput, rows: Tensor) -> EncoderOutput:
    """The encoder outputs of some lines: ``rows`` is (lines,) int64."""
    masks, logits = encoded.attention_mask, encoded.ctc_logits
    return EncoderOutput(
        last_hidden_state=encoded.last_hidden_state[rows],
        attention_mask=None if masks is None else masks[rows],
        ctc_logits=None if logits is None else logits[rows],
    )


def _padded(rows: list[list[int]], value: int, encoded: EncoderOutput) -> Tensor:
    longest = max(map(len, rows))
    table = [F.pad(torch.tensor(row), (0, longest - len(row)), value=value) for row in rows]
    return torch.stack(table).to(encoded.last_hidden_state.device)
