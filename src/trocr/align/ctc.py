"""Forced alignment with a CTC head (Graves et al. 2006, doi 10.1145/1143844.1143891)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Path:
    """The most probable way of writing a text along a line.

    Attributes:
        middles: (tokens,) in frames, never falling; the middle of the first frame is 0.5.
        logprobs: (tokens,) natural log-probability of the best path, each token with half of the
            blanks beside it.
    """

    middles: FloatArray
    logprobs: FloatArray


def ctc_alignments(
    ctc_logits: Tensor, attention_mask: Tensor, texts: Sequence[Sequence[int]], blank: int
) -> list[Path | None]:
    """The most probable path of each line through its own text.

    Args:
        ctc_logits: (batch, frames, vocab).
        attention_mask: (batch, tokens), 1 = part of the line; frames are a multiple of tokens.
        texts: token ids of each line without special tokens.
        blank: id of the blank.

    Returns:
        None for an empty text, and for one that is longer than its line can hold.
    """
    per_token = ctc_logits.shape[1] // attention_mask.shape[1]
    frames = attention_mask.bool().sum(1).cpu().numpy() * per_token
    states = _extended(texts, blank)
    logits = ctc_logits.float()
    index = torch.from_numpy(states).to(logits.device)[:, None].expand(-1, logits.shape[1], -1)
    emissions = (logits.gather(-1, index) - logits.logsumexp(-1, keepdim=True)).cpu().numpy()
    lengths = np.array([len(text) for text in texts])
    paths = _best_paths(emissions, states, frames, lengths)
    return [
        _path(emissions[row, : frames[row]], path[: frames[row]], int(lengths[row]))
        for row, path in enumerate(paths)
    ]


def _extended(texts: Sequence[Sequence[int]], blank: int) -> IntArray:
    """(batch, states): a blank before, between and after the tokens, and as padding."""
    longest = max(map(len, texts))
    states = np.full((len(texts), 2 * longest + 1), blank)
    for row, text in enumerate(texts):
        states[row, 1 : 2 * len(text) : 2] = text
    return states


def _best_paths(
    emissions: NDArray[np.float32], states: IntArray, frames: IntArray, lengths: IntArray
) -> IntArray:
    """(batch, frames) states of all lines together (Viterbi), -1 where there is no path."""
    batch, total, count = emissions.shape
    skip = np.full(states.shape, -np.inf, np.float32)
    skip[:, 3::2] = np.where(states[:, 3::2] == states[:, 1:-2:2], -np.inf, 0)
    scores = np.full((total, batch, count + 2), -np.inf, np.float32)
    scores[0, :, 2:4] = emissions[:, 0, :2]
    for frame in range(1, total):
        before, now = scores[frame - 1], scores[frame, :, 2:]
        np.add(before[:, :-2], skip, out=now)
        np.maximum(now, before[:, 1:-1], out=now)
        np.maximum(now, before[:, 2:], out=now)
        now += emissions[:, frame]
    rows = np.arange(batch)
    last = np.stack((2 * lengths, np.maximum(2 * lengths - 1, 0)))
    ends = scores[frames - 1, rows, last + 2]
    final = np.where(np.isfinite(ends.max(0)), last[ends.argmax(0), rows], -1)
    paths = np.full((batch, total), -1)
    state = paths[:, 0]
    for frame in range(total - 1, -1, -1):
        state = np.where(frames == frame + 1, final, state)
        paths[:, frame] = state
        before = scores[max(frame - 1, 0)]
        stayed, stepped = before[rows, state + 2], before[rows, state + 1]
        skipped = before[rows, state] + skip[rows, state]
        back = np.stack((stayed, stepped, skipped)).argmax(0)
        state = np.where(state >= 0, state - back, -1)
    return paths


def _path(emissions: NDArray[np.float32], path: IntArray, count: int) -> Path | None:
    """``emissions``: (frames, states); ``path``: (frames,) states; ``count``: of the tokens."""
    if not count or not len(path) or path[0] < 0:
        return None
    logprobs = emissions[np.arange(len(path)), path].astype(np.float64)
    written = path % 2 == 1
    token = path[written] // 2
    weights = np.exp(logprobs[written]) + 1e-6
    frames = np.flatnonzero(written) + 0.5
    total = np.bincount(token, weights, minlength=count)
    middles = np.bincount(token, weights * frames, minlength=count) / total
    before, after = np.maximum(path - 1, 0) // 2, np.minimum(path, 2 * count - 1) // 2
    shares = [np.bincount(side, logprobs, minlength=count) / 2 for side in (before, after)]
    return Path(middles, shares[0] + shares[1])
