"""Reading text off CTC logits (Graves et al. 2006, doi 10.1145/1143844.1143891)."""

from __future__ import annotations

import torch
from torch import Tensor


def ctc_greedy_ids(ctc_logits: Tensor, attention_mask: Tensor, blank: int) -> list[list[int]]:
    """Best path of each line: repeats merged, blanks dropped.

    Args:
        ctc_logits: (batch, length, vocab).
        attention_mask: (batch, tokens), 1 = part of the line; length is a multiple of tokens.
        blank: id of the blank.
    """
    best = ctc_logits.max(-1).indices
    frames_per_token = best.shape[1] // attention_mask.shape[1]
    padding = (attention_mask == 0).repeat_interleave(frames_per_token, 1)
    best = best.masked_fill(padding, blank)
    previous = torch.nn.functional.pad(best[:, :-1], (1, 0), value=blank)
    kept = (best != blank) & (best != previous)
    return [row[keep].tolist() for row, keep in zip(best, kept, strict=True)]


def ctc_log_probability(
    ctc_logits: Tensor, attention_mask: Tensor, texts: list[list[int]], blank: int
) -> list[float]:
    """Natural log-probability of each text for one line, summed over all alignments.

    Args:
        ctc_logits: (length, vocab).
        attention_mask: (tokens,), 1 = part of the line.
        texts: token ids without special tokens.

    Returns:
        one number a text; -inf for a text that is longer than the line can hold.
    """
    frames = int(attention_mask.sum()) * (ctc_logits.shape[0] // attention_mask.shape[0])
    log_probs = ctc_logits[:frames].float().log_softmax(-1)[:, None].expand(-1, len(texts), -1)
    losses = torch.nn.functional.ctc_loss(
        log_probs,
        torch.tensor([token for text in texts for token in text], dtype=torch.int64),
        torch.full((len(texts),), frames),
        torch.tensor([len(text) for text in texts]),
        blank=blank,
        reduction="none",
    )
    return [-loss for loss in losses.tolist()]
