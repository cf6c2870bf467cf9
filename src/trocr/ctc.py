"""Reading text off CTC logits (Graves et al. 2006, doi 10.1145/1143844.1143891)."""

from __future__ import annotations

import torch
from torch import Tensor


def ctc_greedy_ids(ctc_logits: Tensor, attention_mask: Tensor, blank: int) -> list[list[int]]:
    """Best path of each line: repeats merged, blanks dropped.

    Args:
        ctc_logits: (batch, length, vocab).
        attention_mask: (batch, length), 1 = a column of the line.
        blank: id of the blank.
    """
    best = ctc_logits.max(-1).indices
    best = best.masked_fill(attention_mask == 0, blank)
    previous = torch.nn.functional.pad(best[:, :-1], (1, 0), value=blank)
    kept = (best != blank) & (best != previous)
    return [row[keep].tolist() for row, keep in zip(best, kept, strict=True)]
