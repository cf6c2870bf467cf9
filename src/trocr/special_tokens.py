"""The ids that tokenizer, configuration and labels have to agree on, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import CheckpointError
from .tokenizer import Tokenizer

IGNORED = -100  # in labels: nothing to learn here, such as padding


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
        CheckpointError: the two disagree in a way that makes garbage of every text: a text token
            beyond the model's vocabulary, another end-of-sequence token, or a start or padding
            token that stands for text.
    """
    tokens = SpecialTokens.of(model, tokenizer)
    settings = model.generation_settings()
    size = model.config.decoder.vocab_size
    highest = max(i for i in tokenizer.get_vocab().values() if i != tokenizer.mask_token_id)
    if highest >= size:
        raise CheckpointError(
            f"The tokenizer has ids up to {highest}, but the model's vocab_size is {size}.",
            "Use the tokenizer that was saved with the model, or fit the model to this one with "
            "`trocr finetune --tokenizer`.",
        )
    ends = {tokens.eos, tokenizer.sep_token_id}
    if not ends & set(settings.eos_token_ids):
        raise _disagreement("eos_token_id", settings.eos_token_id, tokenizer, tokens.eos)
    for name, default in (("decoder_start_token_id", tokens.start), ("pad_token_id", tokens.pad)):
        value = getattr(settings, name)
        if value is not None and value not in tokenizer.all_special_ids:
            raise _disagreement(name, value, tokenizer, default)
    return tokens


def _disagreement(
    name: str, value: int | list[int] | None, tokenizer: Tokenizer, right: int
) -> CheckpointError:
    text = tokenizer.convert_ids_to_tokens(value) if isinstance(value, int) else None
    if right == value:  # only the start token, which the tokenizer does not know
        right = tokenizer.eos_token_id
    return CheckpointError(
        f"{name} of the model is {value}, which is {text!r} in the tokenizer.",
        f"Use the tokenizer that was saved with the model, or set {name} to {right} "
        f"({tokenizer.convert_ids_to_tokens(right)}) in its config.json and "
        "generation_config.json.",
    )
