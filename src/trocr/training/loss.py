"""What is minimised: CTC on an encoder that has such a head, cross-entropy on the decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ..ctc import ctc_greedy_ids
from ..special_tokens import IGNORED
from ..tokenizer import Tokenizer
from .case import CaseFolding
from .config import OptimizationSection
from .data import Batch
from .precision import Precision

LENGTH_BUCKET = 16  # oneDNN builds a kernel per shape


def pad_ids(rows: list[list[int]], value: int, limit: int) -> Tensor:
    """(batch, length) int64, padded on the right with ``value`` to a whole bucket or ``limit``."""
    longest = max(len(row) for row in rows)
    longest = max(longest, min(limit, -(-longest // LENGTH_BUCKET) * LENGTH_BUCKET))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


def ctc_loss(
    ctc_logits: Tensor,
    attention_mask: Tensor,
    token_ids: list[list[int]],
    blank: int,
    case_blind: Tensor,
    folding: CaseFolding,
) -> Tensor:
    """Connectionist temporal classification (Graves et al. 2006), mean over tokens then lines.

    Args:
        ctc_logits: (batch, length, vocab).
        attention_mask: (batch, tokens), 1 = part of the line; length is a multiple of tokens.
        token_ids: targets without special tokens.
        case_blind: (batch,) bool; these rows may be read in either case.
    """
    log_probs = _log_softmax(ctc_logits)
    if bool(case_blind.any()):
        rows = case_blind.nonzero()[:, 0].to(log_probs.device)
        log_probs = log_probs.index_copy(0, rows, folding.fold_log_probs(log_probs[rows]))
        token_ids = [
            folding.fold(row) if blind else row
            for row, blind in zip(token_ids, case_blind.tolist(), strict=True)
        ]
    lengths = torch.tensor([len(row) for row in token_ids])
    targets = torch.tensor([token for row in token_ids for token in row], dtype=torch.int64)
    frames_per_token = ctc_logits.shape[1] // attention_mask.shape[1]
    frames = attention_mask.sum(1).long() * frames_per_token
    return F.ctc_loss(
        log_probs.transpose(0, 1),
        targets.to(log_probs.device),
        frames,
        lengths,
        blank=blank,
        zero_infinity=True,
    )


def _log_softmax(logits: Tensor) -> Tensor:
    """In single precision at least."""
    return logits.log_softmax(-1, torch.promote_types(logits.dtype, torch.float32))


def decoder_loss(
    logits: Tensor,
    labels: Tensor,
    case_blind: Tensor,
    folding: CaseFolding,
    label_smoothing: float,
) -> Tensor:
    """Cross-entropy, mean over tokens; a case-blind row's letter counts in either case.

    Args:
        logits: (batch, length, vocab).
        labels: (batch, length) int64, ``IGNORED`` where there is nothing to learn.
        case_blind: (batch,) bool.
    """
    log_probs = _log_softmax(logits)
    kept = labels != IGNORED
    labels = labels.masked_fill(~kept, 0)
    right = log_probs.gather(-1, labels[..., None])[..., 0]
    if bool(case_blind.any()):
        others = folding.other_case.to(labels.device)[labels]
        either = torch.logaddexp(right, log_probs.gather(-1, others[..., None])[..., 0])
        right = torch.where(case_blind[:, None] & (others != labels), either, right)
    smooth = log_probs.mean(-1)
    loss = -(1 - label_smoothing) * right - label_smoothing * smooth
    return (loss * kept).sum() / kept.sum()


def with_token_noise(token_ids: Tensor, share: float, first_id: int, vocab_size: int) -> Tensor:
    """Replace a share of the decoder's inputs, so that it must look at the picture."""
    noise = torch.randint(first_id, vocab_size, token_ids.shape)
    chosen = (torch.rand(token_ids.shape) < share) & (token_ids >= first_id)
    return torch.where(chosen, noise, token_ids)


class JointLoss:
    """The CTC loss and the cross-entropy of a batch, for a model of this vocabulary."""

    def __init__(
        self, tokenizer: Tokenizer, section: OptimizationSection, precision: Precision
    ) -> None:
        self.folding = CaseFolding(tokenizer)
        self.blank = tokenizer.pad_token_id
        self.noise_ids = (tokenizer.unk_token_id + 1, len(tokenizer))
        self.section = section
        self.precision = precision

    def __call__(self, model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Both losses, scalars on the model's device; that of CTC is 0 without a CTC head."""
        section = self.section
        blind = torch.from_numpy(batch.case_blind)
        with self.precision.autocast():
            encoded = encode(model, batch)
        logits, mask = encoded.ctc_logits, encoded.attention_mask
        token_ids, ctc = batch.token_ids, encoded.last_hidden_state.new_zeros(())
        if logits is not None:
            ctc = ctc_loss(logits, mask, token_ids, self.blank, blind, self.folding)
            token_ids = self._recased(batch, logits, mask)
        inputs, labels = decoder_ids(token_ids, model.config.decoder)
        inputs = with_token_noise(inputs, section.decoder_token_noise, *self.noise_ids)
        with self.precision.autocast():
            logits = decoder_logits(model, encoded, inputs.to(model.device))
        labels, blind = labels.to(model.device), blind.to(model.device)
        return ctc, decoder_loss(logits, labels, blind, self.folding, section.label_smoothing)

    def _recased(self, batch: Batch, ctc_logits: Tensor, mask: Tensor) -> list[list[int]]:
        """The labels; those that lost their case take it from what the CTC head reads."""
        labels = list(batch.token_ids)
        rows = batch.case_blind.nonzero()[0].tolist()
        if rows:
            read = ctc_greedy_ids(ctc_logits.detach()[rows], mask[rows], self.blank)
            for row, ids in zip(rows, read, strict=True):
                labels[row] = self.folding.recased(labels[row], ids)
        return labels


def encode(model: Any, batch: Batch) -> Any:
    """The encoder's output for a batch, on the model's device."""
    options = {}
    if batch.pixel_mask is not None:
        options["pixel_mask"] = torch.from_numpy(batch.pixel_mask).to(model.device)
    return model.encode(torch.from_numpy(batch.pixel_values).to(model.device), **options)


def decoder_logits(model: Any, encoded: Any, input_ids: Tensor) -> Tensor:
    """(batch, length, vocab) logits for teacher-forced ``input_ids``."""
    logits: Tensor = model(
        encoder_outputs=encoded, decoder_input_ids=input_ids, use_cache=False
    ).logits
    return logits


def decoder_ids(token_ids: list[list[int]], config: Any) -> tuple[Tensor, Tensor]:
    """Inputs (start, then the text) and labels (the text, then the end), both (batch, length)."""
    start, limit = config.decoder_start_token_id, config.max_position_embeddings
    inputs = pad_ids([[start, *row] for row in token_ids], config.pad_token_id, limit)
    labels = pad_ids([[*row, config.eos_token_id] for row in token_ids], IGNORED, limit)
    return inputs, labels
