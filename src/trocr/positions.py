"""Positions of the decoder's tokens: a learned table, or sinusoids."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

POSITION_OFFSET = 2  # fairseq reserves the first two rows of the learned table


class LearnedPositions(nn.Embedding):
    """Position ``p`` is row ``p + 2``."""

    def __init__(self, num_positions: int, embed_dim: int) -> None:
        super().__init__(num_positions + POSITION_OFFSET, embed_dim)

    def forward(self, positions: Tensor, tokens: Tensor | None = None) -> Tensor:
        return super().forward(positions + POSITION_OFFSET)


class SinusoidalPositions(nn.Module):
    """tensor2tensor's sinusoids: sines then cosines; padding tokens get zeros."""

    table: Tensor

    def __init__(self, num_positions: int, embed_dim: int, padding_idx: int) -> None:
        super().__init__()
        self.padding_idx = padding_idx
        self.num_positions = num_positions
        self.embed_dim = embed_dim
        self.register_buffer("table", self.build_table(), persistent=False)

    def reset_buffers(self) -> None:
        """Compute the table again; no checkpoint holds it."""
        self.table = self.build_table()

    def build_table(self) -> Tensor:
        """(rows, embed_dim) float32; row ``padding_idx`` is zero and position 0 the row after."""
        half = self.embed_dim // 2
        frequencies = torch.exp(torch.arange(half).float() * -(math.log(10000) / (half - 1)))
        rows = self.num_positions + self.padding_idx + 1
        angles = torch.arange(rows).float()[:, None] * frequencies
        table = F.pad(torch.cat((angles.sin(), angles.cos()), 1), (0, self.embed_dim % 2))
        table[self.padding_idx] = 0
        return table

    def forward(self, positions: Tensor, tokens: Tensor | None = None) -> Tensor:
        rows = (positions + self.padding_idx + 1).expand(
            positions.shape if tokens is None else tokens.shape
        )
        if tokens is not None:
            # Padding does not advance the count of the tokens after it.
            padding = tokens.eq(self.padding_idx)
            rows = (rows - padding.cumsum(1)).masked_fill(padding, self.padding_idx)
        return F.embedding(rows, self.table)
