"""What a run watches: CTC error on the validation lines, and the decoder's next-token accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..ctc import ctc_greedy_ids
from ..metrics import character_error_rate
from ..tokenizer import Tokenizer
from .data import Batch
from .loss import IGNORED, decoder_ids, decoder_logits, encode


@dataclass(frozen=True)
class Reading:
    """A validation line and what the CTC head reads in it, both upper-cased if case-blind.

    Attributes:
        pixels: (height, width) float32, paper 0 and ink 1, padding included.
        cer: character error rate in per cent.
    """

    pixels: NDArray[np.float32]
    truth: str
    text: str

    @property
    def cer(self) -> float:
        return character_error_rate([self.text], [self.truth])


@torch.inference_mode()
def validate(
    model: Any, batches: Iterable[Batch], tokenizer: Tokenizer
) -> tuple[dict[str, float], list[Reading]]:
    """Percentages, ``ctc_cer`` and the decoder's teacher-forced ``decoder_accuracy`` over tokens;
    and every line."""
    readings: list[Reading] = []
    right = total = 0
    for batch in batches:
        encoded = encode(model, batch)
        blank = model.config.encoder.ctc_blank_token_id
        read = ctc_greedy_ids(encoded.ctc_logits, encoded.attention_mask, blank)
        texts = tokenizer.batch_decode(read, skip_special_tokens=True)
        labels = tokenizer.batch_decode(batch.token_ids, skip_special_tokens=True)
        for pixels, text, label, blind in zip(
            batch.pixel_values[:, 0], texts, labels, batch.case_blind, strict=True
        ):
            case = str.upper if blind else str
            readings.append(Reading(pixels, case(label), case(text)))
        inputs, targets = decoder_ids(batch.token_ids, model.config.decoder)
        guesses = decoder_logits(model, encoded, inputs.to(model.device)).max(-1).indices.cpu()
        right += int((guesses == targets).sum())
        total += int((targets != IGNORED).sum())
    cer = character_error_rate([r.text for r in readings], [r.truth for r in readings])
    return {"ctc_cer": cer, "decoder_accuracy": 100 * right / total}, readings
