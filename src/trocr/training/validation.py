"""What a run watches: CTC error on the validation lines, and the decoder's next-token accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from ..ctc import ctc_greedy_ids
from ..metrics import character_error_rate
from ..tokenizer import Tokenizer
from .data import Batch
from .loss import IGNORED, decoder_ids, decoder_logits, encode


@torch.inference_mode()
def validate(model: Any, batches: Iterable[Batch], tokenizer: Tokenizer) -> dict[str, float]:
    """Percentages: CTC CER (without regard to case where labels have none) and teacher-forced
    token accuracy of the decoder."""
    predictions: list[str] = []
    references: list[str] = []
    right = total = 0
    for batch in batches:
        encoded = encode(model, batch)
        blank = model.config.encoder.ctc_blank_token_id
        read = ctc_greedy_ids(encoded.ctc_logits, encoded.attention_mask, blank)
        texts = tokenizer.batch_decode(read, skip_special_tokens=True)
        labels = tokenizer.batch_decode(batch.token_ids, skip_special_tokens=True)
        blind = batch.case_blind.tolist()
        predictions += [t.upper() if b else t for t, b in zip(texts, blind, strict=True)]
        references += [t.upper() if b else t for t, b in zip(labels, blind, strict=True)]
        inputs, targets = decoder_ids(batch.token_ids, model.config.decoder)
        guesses = decoder_logits(model, encoded, inputs.to(model.device)).max(-1).indices.cpu()
        right += int((guesses == targets).sum())
        total += int((targets != IGNORED).sum())
    return {
        "ctc_cer": character_error_rate(predictions, references),
        "decoder_accuracy": 100 * right / total,
    }
