"""What a run watches: CTC error on the validation lines, and the decoder's next-token accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from ..ctc import ctc_greedy_ids
from ..metrics import character_error_rate, sroie_scores
from ..tokenizer import Tokenizer
from .data import Batch
from .loss import IGNORED, decoder_ids, decoder_logits, encode


@torch.inference_mode()
def validate(model: Any, batches: Iterable[Batch], tokenizer: Tokenizer) -> dict[str, float]:
    """Percentages: CTC CER and word F1 (SROIE rules), and teacher-forced token accuracy."""
    predictions: list[str] = []
    references: list[str] = []
    right = total = 0
    for batch in batches:
        encoded = encode(model, batch)
        blank = model.config.encoder.ctc_blank_token_id
        read = ctc_greedy_ids(encoded.ctc_logits, encoded.attention_mask, blank)
        predictions += tokenizer.batch_decode(read, skip_special_tokens=True)
        references += tokenizer.batch_decode(batch.token_ids, skip_special_tokens=True)
        inputs, labels = decoder_ids(batch.token_ids, model.config.decoder)
        guesses = decoder_logits(model, encoded, inputs.to(model.device)).max(-1).indices.cpu()
        right += int((guesses == labels).sum())
        total += int((labels != IGNORED).sum())
    return {
        "ctc_cer": character_error_rate(predictions, references),
        "ctc_f1": sroie_scores(predictions, references).f1,
        "decoder_accuracy": 100 * right / total,
    }
