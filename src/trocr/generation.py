"""Between a model and a search: its settings, and the decoder as a model of single steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .attention import KVCache
from .config import ModelConfig
from .decoder import TrOCRForCausalLM
from .generation_config import FILE_NAME, GenerationConfig

# transformers wrote this length into every config.json, whoever trained the model; lines are
# longer, so it is never taken for a choice.
LIBRARY_MAX_LENGTH = 20


def read_generation_config(folder: Path) -> GenerationConfig:
    """``generation_config.json`` of a folder, empty where there is none.

    A ``max_length`` of exactly 20, the library's default, counts as not set.

    Raises:
        CheckpointError: the file cannot be read or holds impossible settings.
    """
    if not (folder / FILE_NAME).is_file():
        return GenerationConfig()
    config = GenerationConfig.from_pretrained(folder)
    return config.merged(max_length=None) if config.max_length == LIBRARY_MAX_LENGTH else config


def legacy_settings(config: ModelConfig, decoder: ModelConfig) -> dict[str, Any]:
    """Generation settings that a ``config.json`` holds: the decoder's, then the model's own."""
    known = set(GenerationConfig().__dict__) - {"extra", "use_cache"}
    settings: dict[str, Any] = {}
    for source in (decoder, config):
        values = {k: v for k, v in vars(source).items() if k in known and v is not None}
        if values.get("max_length") == LIBRARY_MAX_LENGTH:
            del values["max_length"]
        settings.update(values)
    return settings


def settings_of(config: GenerationConfig) -> dict[str, Any]:
    """The settings that differ from their defaults."""
    return {k: v for k, v in config.to_dict().items() if k not in config.extra}


class DecoderSteps:
    """A decoder as the ``StepModel`` of ``decoding``: one call per step, states kept in between.

    Args:
        decoder: in evaluation mode.
        encoder_hidden_states: (rows, source, width), what to read.
        encoder_attention_mask: (rows, source), 1 = real.
        use_cache: keep keys and values; otherwise every step reads all tokens again.
    """

    def __init__(
        self,
        decoder: TrOCRForCausalLM,
        encoder_hidden_states: Tensor,
        encoder_attention_mask: Tensor | None = None,
        *,
        use_cache: bool = True,
    ) -> None:
        self._decoder = decoder
        self._states = encoder_hidden_states
        self._mask = encoder_attention_mask
        self._cache = KVCache(decoder.config.decoder_layers) if use_cache else None
        self._tokens = torch.empty(
            (len(encoder_hidden_states), 0), dtype=torch.int64, device=encoder_hidden_states.device
        )

    def step(self, token_ids: Tensor) -> Tensor:
        """Read ``token_ids`` (rows, new_tokens); the next token's logits (rows, vocab)."""
        if self._cache is None:
            self._tokens = token_ids = torch.cat((self._tokens, token_ids), 1)
        output = self._decoder(
            input_ids=token_ids,
            encoder_hidden_states=self._states,
            encoder_attention_mask=self._mask,
            past_key_values=self._cache,
            use_cache=self._cache is not None,
            return_dict=True,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def reorder(self, rows: Tensor) -> None:
        """Make row i what row ``rows[i]`` was."""
        self._mask = None if self._mask is None else self._mask[rows]
        if self._cache is None:
            self._states, self._tokens = self._states[rows], self._tokens[rows]
            return
        if self._cache.get_seq_length() == 0:  # later, only the cached keys of the states count
            self._states = self._states[rows]
        self._cache.reorder(rows)
