"""The ids that tokenizer, configuration and labels have to agree on, in one place."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import CheckpointError
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

IGNORED = -100  # in labels: nothing to learn here, such as padding
# Published small models have 42; others round the size up to a multiple of 64 or 128.
ROWS_WITHOUT_TOKEN = 1024


@dataclass(frozen=True)
class SpecialTokens:
    """Ids of the tokens that are no text.

    Attributes:
        start: what a decoder reads first; not always ``bos``.
    """

    start: int
    bos: int
    pad: int
    eos: int
    unk: int

    @classmethod
    def of(cls, model: Any, tokenizer: Tokenizer) -> SpecialTokens:
        """The tokens of ``tokenizer``, and the start token that ``model`` generates with; where it
        names none, ``<s>``."""
        start = model.generation_settings().decoder_start_token_id
        return cls(
            start=tokenizer.bos_token_id if start is None else start,
            bos=tokenizer.bos_token_id,
            pad=tokenizer.pad_token_id,
            eos=tokenizer.eos_token_id,
            unk=tokenizer.unk_token_id,
        )

    def give_to(self, model: Any) -> None:
        """Write them wherever a model and its saved folder hold them."""
        named = {
            "decoder_start_token_id": self.start,
            "bos_token_id": self.bos,
            "pad_token_id": self.pad,
            "eos_token_id": self.eos,
        }
        for holder in (model.config, model.config.decoder, model.generation_config):
            for name, token in named.items():
                setattr(holder, name, token)


def check_special_tokens(model: Any, tokenizer: Tokenizer) -> SpecialTokens:
    """The special tokens of a model and its tokenizer.

    Published folders that contradict themselves without harm pass: what counts is what
    ``generate`` uses.

    Raises:
        CheckpointError: the two disagree in a way that makes garbage of every text: vocabularies of
            other sizes, another end-of-sequence token, or a start or padding token that stands for
            text.
    """
    tokens = SpecialTokens.of(model, tokenizer)
    settings = model.generation_settings()
    _check_size(model.config.decoder.vocab_size, tokenizer)
    if not {tokens.eos, tokenizer.sep_token_id} & set(settings.eos_token_ids):
        raise _disagreement("eos_token_id", settings.eos_token_id, tokenizer, tokens.eos)
    if tokens.start not in tokenizer.all_special_ids:
        name = "decoder_start_token_id"
        raise _disagreement(name, tokens.start, tokenizer, tokens.eos)
    pad = settings.pad_token_id
    if pad is not None and pad not in tokenizer.all_special_ids:
        raise _disagreement("pad_token_id", pad, tokenizer, tokens.pad)
    return tokens


def _check_size(size: int, tokenizer: Tokenizer) -> None:
    special = {
        i for i, token in tokenizer.backend.get_added_tokens_decoder().items() if token.special
    }
    used = 1 + max(i for i in tokenizer.get_vocab().values() if i not in special)
    if not used <= size < used + ROWS_WITHOUT_TOKEN:
        raise CheckpointError(
            f"The tokenizer has {used} tokens, but the model's vocab_size is {size}.",
            "Use the tokenizer that was saved with the model, or fit the model to this one: "
            "`trocr finetune --tokenizer`.",
        )


def _disagreement(
    name: str, value: int | list[int] | None, tokenizer: Tokenizer, right: int
) -> CheckpointError:
    token = tokenizer.convert_ids_to_tokens(value) if isinstance(value, int) else None
    meaning = "" if token is None else f", which is {token!r} in its tokenizer"
    return CheckpointError(
        f"The model's {name} is {value}{meaning}.",
        f"Use the tokenizer that was saved with the model, or set {name} to {right} "
        f"({tokenizer.convert_ids_to_tokens(right)}) in its config.json and "
        "generation_config.json.",
    )


def check_labels(labels: Tensor, vocab_size: int, pad: int) -> None:
    """See that a model can learn from labels.

    Warns where padding is not ``IGNORED``, as the model would learn to write it.

    Args:
        labels: (batch, length) int64.

    Raises:
        CheckpointError: ids beyond the vocabulary: they come from another model's tokenizer.
    """
    highest, padded = int(labels.max()), bool((labels == pad).any())
    if highest >= vocab_size:
        raise CheckpointError(
            f"A label has the id {highest}, but the model's vocab_size is {vocab_size}.",
            "Use the tokenizer that was saved with the model.",
        )
    if padded:
        warnings.warn(
            f"The labels hold pad_token_id ({pad}), which the model will learn to write: "
            f"replace it with {IGNORED}.",
            stacklevel=6,  # where the model was called
        )
