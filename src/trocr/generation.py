"""Between a model and a search: the settings that count, and a decoder as single steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .config import ModelConfig
from .generation_config import FILE_NAME, GenerationConfig
from .kv_cache import KVCache, LayerCache
from .pretrained import PretrainedModel

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


def settings_of(config: Any) -> dict[str, Any]:
    """The settings of a ``GenerationConfig``, ours or the reference's, that are not defaults."""
    if not isinstance(config, GenerationConfig):
        config = GenerationConfig.from_dict(config.to_dict())
    return {k: v for k, v in config.to_dict().items() if k not in config.extra}


class GenerativeModel(PretrainedModel):
    """A model that writes text, and the settings that it writes with.

    Attributes:
        generation_config: from the folder's ``generation_config.json``; settings to edit.
    """

    generation_config: GenerationConfig

    def setting_sources(self) -> tuple[ModelConfig, ...]:
        """Configurations that may hold generation settings too; the last one counts most."""
        return (self.config,)

    def init_generation(self) -> None:
        """Forget every setting; called once the configurations are there."""
        self.generation_config = GenerationConfig()
        self._built_with = self._config_settings()

    def generation_settings(
        self, generation_config: GenerationConfig | None = None, **overrides: Any
    ) -> GenerationConfig:
        """The settings that ``generate`` would use.

        They count in this order: ``overrides``, ``generation_config``, what was set in
        ``model.config`` since the model was built, ``model.generation_config``, what the folder's
        ``config.json`` holds. In the second and fourth, a setting at its default counts as not
        given, and so does a ``max_length`` of 20 in a file.

        Raises:
            UsageError: an unknown setting, or values that cannot work.
        """
        held = dict(self._built_with)
        if held.get("max_length") == LIBRARY_MAX_LENGTH:
            del held["max_length"]
        edited = {k: v for k, v in self._config_settings().items() if v != self._built_with.get(k)}
        given = {} if generation_config is None else settings_of(generation_config)
        named = {**settings_of(self.generation_config), **edited, **given, **overrides}
        return GenerationConfig(**held).merged(**named)

    def _config_settings(self) -> dict[str, Any]:
        # Published configurations say use_cache=False, which was about training.
        known = set(vars(GenerationConfig())) - {"extra", "use_cache"}
        settings: dict[str, Any] = {}
        for source in self.setting_sources():
            settings |= {k: v for k, v in vars(source).items() if k in known and v is not None}
        return settings

    def _load(self, folder: Path) -> None:
        super()._load(folder)
        self.generation_config = read_generation_config(folder)

    def _save_extras(self, folder: Path) -> None:
        self.generation_settings().save_pretrained(folder)


class DecoderSteps:
    """A decoder as the ``StepModel`` of ``decoding``: one call per step, states kept in between.

    Args:
        decoder: a ``TrOCRForCausalLM`` in evaluation mode.
        encoder_hidden_states: (rows, source, width), what to read.
        encoder_attention_mask: (rows, source), 1 = real.
        use_cache: keep keys and values; otherwise every step reads all tokens again.
    """

    def __init__(
        self,
        decoder: PretrainedModel,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        *,
        use_cache: bool = True,
    ) -> None:
        self._decoder = decoder
        self._states = encoder_hidden_states
        self._mask = encoder_attention_mask
        self._cache = KVCache(decoder.config.decoder_layers) if use_cache else None
        self._tokens: Tensor | None = None
        self._kept: Tensor | None = None  # (rows, past) bool: what counts; None: everything

    def step(self, token_ids: Tensor) -> Tensor:
        """Read ``token_ids`` (rows, new_tokens); the next token's logits (rows, vocab)."""
        return self.read(token_ids)[:, -1]

    def read(self, token_ids: Tensor) -> Tensor:
        """Logits (rows, new_tokens, vocab) after each of ``token_ids`` (rows, new_tokens)."""
        if self._cache is None:
            if self._tokens is not None:
                token_ids = torch.cat((self._tokens, token_ids), 1)
            self._tokens = token_ids
        length = token_ids.shape[1]
        if self._kept is not None:
            self._kept = F.pad(self._kept, (0, length), value=True)
        output = self._decoder(
            input_ids=token_ids,
            encoder_hidden_states=self._states,
            encoder_attention_mask=self._mask,
            past_key_values=self._cache,
            use_cache=self._cache is not None,
            return_dict=True,
            **self._positions(length),
        )
        logits: Tensor = output.logits
        return logits

    def keep(self, counts: Tensor, length: int) -> None:
        """Of the last ``length`` tokens, row i read only the first ``counts[i]``; with a cache."""
        assert self._cache is not None
        columns = torch.arange(length, device=counts.device) < counts[:, None]
        if self._kept is None and not columns.all():
            self._kept = columns.new_ones((len(counts), self._cache.get_seq_length()))
        if self._kept is not None:
            self._kept[:, -length:] &= columns

    def join(self, other: DecoderSteps) -> None:
        """Take the rows of another behind the own; both keep a cache and have read something.

        Tokens of all rows end together, unless the other has more than this one.
        """
        assert self._cache is not None
        assert other._cache is not None
        own, others = self._everything_kept(), other._everything_kept()
        before = max(0, own.shape[1] - others.shape[1])
        if not (self._mask is other._mask is None and self._sources() == other._sources()):
            self._mask = _joined_masks(self._source_mask(), other._source_mask())
        self._kept = _joined_masks(own, F.pad(others, (before, 0)))
        self._cache.join(other._cache, before)

    def reorder(self, rows: Tensor) -> None:
        """Make row i what row ``rows[i]`` was."""
        self._mask = _select(self._mask, rows)
        self._kept = _select(self._kept, rows)
        if self._cache is None:
            self._states, self._tokens = _select(self._states, rows), _select(self._tokens, rows)
            return
        if self._cache.get_seq_length() == 0:  # later, only the cached keys of the states count
            self._states = _select(self._states, rows)
        self._cache.reorder(rows)
        if self._kept is not None:
            self._forget_unused(self._kept)

    def _forget_unused(self, kept: Tensor) -> None:
        """Drop what only rows had that have left, and what is not kept if it is half of all."""
        assert self._cache is not None
        unused, sources = int(kept.any(0).int().argmax()), self._sources()
        if self._mask is not None:
            sources = int(self._mask.sum(1).max())
            self._mask = self._mask[:, :sources]
        self._cache.narrow(unused, sources)
        kept = kept[:, unused:]
        counts = kept.sum(1)
        longest = int(counts.max())
        if 2 * longest <= kept.shape[1]:
            self._cache.pack((~kept).to(torch.uint8).argsort(dim=1, stable=True)[:, :longest])
            kept = torch.arange(longest, device=kept.device) < counts[:, None]
        self._kept = None if bool(kept.all()) else kept

    def _positions(self, length: int) -> dict[str, Tensor]:
        """What the decoder has to know when rows have read different numbers of tokens."""
        if self._kept is None:
            return {}
        last = self._decoder.config.max_position_embeddings - 1  # of rows that only wait to leave
        return {
            "attention_mask": self._kept.long(),
            "cache_position": (self._kept.cumsum(1)[:, -length:] - 1).clamp(max=last),
        }

    def _everything_kept(self) -> Tensor:
        """(rows, past) bool."""
        if self._kept is not None:
            return self._kept
        key = self._first_layer().key
        assert key is not None
        return torch.ones(len(key), key.shape[2], dtype=torch.bool, device=key.device)

    def _source_mask(self) -> Tensor:
        if self._mask is not None:
            return self._mask
        key = self._first_layer().cross_key
        assert key is not None
        return torch.ones((len(key), self._sources()), dtype=torch.int64, device=key.device)

    def _sources(self) -> int:
        key = self._first_layer().cross_key
        assert key is not None
        return key.shape[2]

    def _first_layer(self) -> LayerCache:
        assert self._cache is not None
        return self._cache.layers[0]


def _select(tensor: Tensor | None, rows: Tensor) -> Tensor | None:
    return None if tensor is None else tensor[rows]


def _joined_masks(first: Tensor, second: Tensor) -> Tensor:
    """Rows of two masks (rows, source), the shorter padded with 0."""
    longest = max(first.shape[1], second.shape[1])
    padded = [F.pad(mask, (0, longest - mask.shape[1])) for mask in (first, second)]
    return torch.cat([mask.to(first.dtype) for mask in padded])
