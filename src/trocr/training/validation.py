"""What a run watches: errors on the validation lines, and the decoder's next-token accuracy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..ctc import ctc_greedy_ids
from ..metrics import character_error_rate
from ..outputs import EncoderOutput
from ..special_tokens import IGNORED
from ..tokenizer import Tokenizer
from .data import Batch
from .loss import decoder_ids, decoder_logits, encode

SPARE_TOKENS = 16  # beyond the longest label of a batch; a text that runs on is cut there


@dataclass(frozen=True)
class Reading:
    """A validation line and what is read in it, both upper-cased if case-blind.

    Attributes:
        pixels: (height, width) float32, the first channel, padding included; paper is 0 and ink 1
            for a line model, paper 1 and ink -1 for a published one.
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
    """Percentages, ``cer`` and the decoder's teacher-forced ``decoder_accuracy`` over tokens; and
    every line.

    Read by the CTC head where the model has one, which takes no time, else by greedy search.
    """
    readings: list[Reading] = []
    right = total = 0
    for batch in batches:
        encoded = encode(model, batch)
        texts = tokenizer.batch_decode(_read(model, encoded, batch), skip_special_tokens=True)
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
    return {"cer": cer, "decoder_accuracy": 100 * right / total}, readings


def _read(model: Any, encoded: EncoderOutput, batch: Batch) -> Any:
    if encoded.ctc_logits is not None and encoded.attention_mask is not None:
        blank = model.config.encoder.ctc_blank_token_id
        return ctc_greedy_ids(encoded.ctc_logits, encoded.attention_mask, blank)
    longest = max(map(len, batch.token_ids)) + SPARE_TOKENS
    return model.generate(encoder_outputs=encoded, num_beams=1, max_new_tokens=longest)
