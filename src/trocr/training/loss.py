"""The joint loss of a line model: CTC on the encoder, cross-entropy on the decoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .case import CaseFolding
from .data import Batch

IGNORED = -100
LENGTH_BUCKET = 16  # oneDNN builds a kernel per shape


def pad_ids(rows: list[list[int]], value: int) -> Tensor:
    """(batch, length) int64, padded on the right with ``value`` to a whole bucket."""
    longest = -(-max(len(row) for row in rows) // LENGTH_BUCKET) * LENGTH_BUCKET
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
    log_probs = ctc_logits.float().log_softmax(-1)
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
    log_probs = logits.float().log_softmax(-1)
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


def encode(model: Any, batch: Batch) -> Any:
    """The encoder's output for a batch, on the model's device."""
    pixels, mask = torch.from_numpy(batch.pixel_values), torch.from_numpy(batch.pixel_mask)
    return model.encoder(pixels.to(model.device), mask.to(model.device))


def decoder_logits(model: Any, encoded: Any, input_ids: Tensor) -> Tensor:
    """(batch, length, vocab) logits for teacher-forced ``input_ids``."""
    logits: Tensor = model.decoder(
        input_ids=input_ids,
        encoder_hidden_states=encoded.last_hidden_state,
        encoder_attention_mask=encoded.attention_mask,
        use_cache=False,
    ).logits
    return logits


def decoder_ids(token_ids: list[list[int]], config: Any) -> tuple[Tensor, Tensor]:
    """Inputs (start, then the text) and labels (the text, then the end), both (batch, length)."""
    inputs = pad_ids(
        [[config.decoder_start_token_id, *row] for row in token_ids], config.pad_token_id
    )
    labels = pad_ids([[*row, config.eos_token_id] for row in token_ids], IGNORED)
    return inputs, labels
