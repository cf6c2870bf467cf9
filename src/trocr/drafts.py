"""Who guesses the text of a line before the decoder writes it; a wrong guess only costs time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image

from .ctc import ctc_greedy_ids
from .generation_config import GenerationConfig
from .model import VisionEncoderDecoderModel
from .outputs import EncoderOutput
from .tokenizer import Tokenizer

ReadTexts = Callable[[Sequence[Image.Image], EncoderOutput], list[str]]


class Drafter(Protocol):
    """Guesses what the decoder will write."""

    def __call__(self, pictures: Sequence[Image.Image], encoded: EncoderOutput) -> list[list[int]]:
        """Token ids of each line, without start and end; any ids will do.

        Args:
            pictures: of the lines.
            encoded: what the encoder made of them.
        """
        ...


@dataclass
class DraftCounts:
    """How many lines got a draft, and how many drafts were what the decoder wrote."""

    proposed: int = 0
    accepted: int = 0

    @property
    def acceptance_rate(self) -> float | None:
        """Share of accepted drafts, 0-1; None before the first."""
        return self.accepted / self.proposed if self.proposed else None


def start_token(model: VisionEncoderDecoderModel, settings: GenerationConfig) -> int:
    """The token that ``generate`` starts from."""
    known = (settings.decoder_start_token_id, settings.bos_token_id)
    default: int = model.config.decoder.decoder_start_token_id
    return next((token for token in known if token is not None), default)


class CTCDrafter:
    """Reads the encoder's own CTC head.

    Args:
        blank: id of the blank.
    """

    def __init__(self, blank: int) -> None:
        self.blank = blank

    def __call__(self, pictures: Sequence[Image.Image], encoded: EncoderOutput) -> list[list[int]]:
        assert encoded.ctc_logits is not None
        assert encoded.attention_mask is not None
        return ctc_greedy_ids(encoded.ctc_logits, encoded.attention_mask, self.blank)


class TextDrafter:
    """Has something else read the lines, and spells the texts with the model's own tokens.

    Args:
        read: the text of each line.
        model: whose decoder is to write them.
        tokenizer: of this model.
    """

    def __init__(
        self, read: ReadTexts, model: VisionEncoderDecoderModel, tokenizer: Tokenizer
    ) -> None:
        self.read = read
        self.tokenizer = tokenizer
        self._model = model
        self._lead: list[int] | None = None

    def __call__(self, pictures: Sequence[Image.Image], encoded: EncoderOutput) -> list[list[int]]:
        if self._lead is None:
            self._lead = self._leading_token(encoded)
        texts = self.read(pictures, encoded)
        return [
            [*self._lead, *self.tokenizer.encode(text, add_special_tokens=False)] for text in texts
        ]

    def _leading_token(self, encoded: EncoderOutput) -> list[int]:
        """``<s>`` if the decoder writes it before every text, as fine-tuned ones do."""
        start = start_token(self._model, self._model.generation_settings())
        rows = encoded.last_hidden_state.shape[0]
        prompt = torch.full((rows, 1), start, device=encoded.last_hidden_state.device)
        first = self._model.decoder_steps(encoded).step(prompt)[0].argmax()
        bos = self.tokenizer.bos_token_id
        return [bos] if first == bos else []
