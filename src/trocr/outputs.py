"""Results with named fields that also behave as the tuple of the fields that are set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor


@dataclass
class ModelOutput(Mapping[str, Any]):
    """The fields that are set: by attribute, by name (``output["logits"]``) or by position."""

    def to_tuple(self) -> tuple[Any, ...]:
        return tuple(self.values())

    def __getitem__(self, key: str | int | slice) -> Any:
        if not isinstance(key, str):
            return self.to_tuple()[key]
        if key not in self:
            raise KeyError(key)
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return any(key == name for name in self)

    def __iter__(self) -> Iterator[str]:
        return (f.name for f in fields(self) if getattr(self, f.name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass
class EncoderOutput(ModelOutput):
    """``last_hidden_state`` (batch, length, hidden); ``attention_mask`` (batch, length), 1 = real;
    ``ctc_logits`` (batch, length, vocab) where the encoder has a CTC head."""

    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    attention_mask: Tensor | None = None
    ctc_logits: Tensor | None = None


@dataclass
class DecoderOutput(ModelOutput):
    """``last_hidden_state`` (batch, length, d_model) and, on request, everything inside."""

    last_hidden_state: Tensor
    past_key_values: Any = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    cross_attentions: tuple[Tensor, ...] | None = None


@dataclass
class CausalLMOutput(ModelOutput):
    """``logits`` (batch, length, vocab); ``loss`` is a scalar, set when labels were given."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Any = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None
    cross_attentions: tuple[Tensor, ...] | None = None


@dataclass
class Seq2SeqLMOutput(ModelOutput):
    """What ``VisionEncoderDecoderModel.forward`` returns, named as the reference names it."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    past_key_values: Any = None
    decoder_hidden_states: tuple[Tensor, ...] | None = None
    decoder_attentions: tuple[Tensor, ...] | None = None
    cross_attentions: tuple[Tensor, ...] | None = None
    encoder_last_hidden_state: Tensor | None = None
    encoder_hidden_states: tuple[Tensor, ...] | None = None
    encoder_attentions: tuple[Tensor, ...] | None = None
    ctc_logits: Tensor | None = None


def default(value: bool | None, fallback: bool) -> bool:
    """An argument that was given, or else what the configuration says."""
    return fallback if value is None else value
