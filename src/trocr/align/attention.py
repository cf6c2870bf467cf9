"""Where a decoder looks when it writes a token, for models without a CTC head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..encoder import ViTModel
from ..model import VisionEncoderDecoderModel
from ..outputs import EncoderOutput

GOOD_HEADS = 0.1  # as orderly as the most orderly head, less this
NEAR = 1.5  # columns to both sides of the best one, over which the expected place is taken
LEAST_ATTENTION = 1e-3

FloatArray = NDArray[np.float64]


@torch.inference_mode()
def cross_attention(
    model: VisionEncoderDecoderModel, encoded: EncoderOutput, texts: Sequence[Sequence[int]]
) -> list[FloatArray]:
    """What each token of each line looks at when it is written, in one teacher-forced pass.

    Args:
        encoded: of the lines.
        texts: token ids of each line without special tokens, at least one.

    Returns:
        (heads, tokens, columns) a line, the heads of all layers, columns from left to right; what
        one token looks at adds up to 1.
    """
    decoder = model.config.decoder
    longest = max(map(len, texts))
    inputs = torch.full((len(texts), longest), decoder.pad_token_id)
    for row, text in enumerate(texts):
        inputs[row, : len(text)] = torch.tensor([decoder.decoder_start_token_id, *text[:-1]])
    output = model(
        encoder_outputs=encoded,
        decoder_input_ids=inputs.to(encoded.last_hidden_state.device),
        output_attentions=True,
        use_cache=False,
        return_dict=True,
    )
    weights = torch.cat(output.cross_attentions, 1).float()
    if isinstance(model.encoder, ViTModel):
        weights = _patch_columns(model.encoder, weights)
    lengths = [weights.shape[-1]] * len(texts)
    if encoded.attention_mask is not None:
        lengths = encoded.attention_mask.bool().sum(1).tolist()
    found = []
    for line, text, length in zip(weights, texts, lengths, strict=True):
        kept = line[:, : len(text), :length].double()
        found.append((kept / kept.sum(-1, keepdim=True).clamp_min(1e-9)).cpu().numpy())
    return found


def _patch_columns(encoder: ViTModel, weights: Tensor) -> Tensor:
    """Attention to special tokens and rows of patches, (..., tokens), to (..., columns)."""
    rows, columns = encoder.grid(*encoder.image_size)
    patches = weights[..., -rows * columns :]
    return patches.reshape(*patches.shape[:-1], rows, columns).sum(-2)


def ordered_middles(weights: FloatArray) -> FloatArray:
    """The column that each token stands at, as a share of the width, never falling.

    Heads that look along the line in the order of the tokens are averaged; the best path that does
    not go back (Viterbi) chooses among the places that they look at.

    Args:
        weights: (heads, tokens, columns), the tokens from left to right as they stand.
    """
    tokens, columns = weights.shape[1:]
    places = np.arange(columns, dtype=np.float64) + 0.5
    mean = _orderly_heads(weights, places).mean(0)
    scores = np.log(mean + LEAST_ATTENTION)
    reached = np.empty((tokens, columns), np.int64)
    best = np.zeros(columns)
    for token in range(tokens):
        # the best column up to each one, for the token before
        reached[token] = np.maximum.accumulate(
            np.where(best == np.maximum.accumulate(best), np.arange(columns), 0)
        )
        best = best[reached[token]] + scores[token]
    column = int(best.argmax())
    middles = np.empty(tokens)
    for token in range(tokens - 1, -1, -1):
        near = np.abs(places - places[column]) <= NEAR
        middles[token] = np.average(places[near], weights=mean[token, near] + LEAST_ATTENTION)
        column = int(reached[token, column])
    rising, falling = np.maximum.accumulate(middles), np.minimum.accumulate(middles[::-1])[::-1]
    ordered: FloatArray = (rising + falling) / 2 / columns
    return ordered


def _orderly_heads(weights: FloatArray, places: FloatArray) -> FloatArray:
    """The heads whose place moves steadily from the first token to the last, and is narrow."""
    expected = weights @ places
    spread = np.sqrt(np.maximum(weights @ places**2 - expected**2, 0)).mean(1) / len(places)
    order = np.zeros(len(weights))
    if weights.shape[1] > 2:
        steps = np.arange(weights.shape[1]) - (weights.shape[1] - 1) / 2
        moved = expected - expected.mean(1, keepdims=True)
        norms = np.linalg.norm(moved, axis=1) * np.linalg.norm(steps)
        order = moved @ steps / np.maximum(norms, 1e-9)
    orderly = order - spread
    chosen: FloatArray = weights[orderly >= orderly.max() - GOOD_HEADS]
    return chosen
