"""The vocabulary of a model, made to fit new labels, and the weights that go with it."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ...labelled_lines import composed_line
from ...model import VisionEncoderDecoderModel
from ...special_tokens import SpecialTokens
from ...tokenizer import Tokenizer
from .new_tokens import (
    as_bytes,
    extended,
    is_byte_level,
    of_characters,
    starts_with_bos,
    trained_bpe,
)

How = Literal["keep", "extend", "characters", "bpe"]
BPE_SIZE = 1000


def missing_characters(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[str]:
    """Characters that a vocabulary cannot write, with how often they occur.

    They become ``<unk>``, or come back as something else (the published small models read ``ſ`` as
    ``s``). Texts count as composed (NFC) lines with single spaces: ``composed_line``.
    """
    counts = Counter(character for text in texts for character in composed_line(text))
    return Counter({c: n for c, n in counts.items() if not _can_write(tokenizer, c)})


def _can_write(tokenizer: Tokenizer, character: str) -> bool:
    ids = tokenizer.encode(character)
    if tokenizer.unk_token_id in ids:
        return False
    return character == " " or character == tokenizer.decode(ids, True, False).strip()


def fertility(tokenizer: Tokenizer, texts: Iterable[str]) -> float:
    """Tokens per character, special tokens left out; 0 where there is no text."""
    lines = [composed_line(text) for text in texts]
    tokens = sum(len(tokenizer.encode(line, add_special_tokens=False)) for line in lines)
    return tokens / max(1, sum(map(len, lines)))


def with_vocabulary(
    model: VisionEncoderDecoderModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    how: How,
    *,
    bpe_size: int = BPE_SIZE,
) -> tuple[VisionEncoderDecoderModel, Tokenizer]:
    """A model with a vocabulary for ``texts``.

    The token embeddings, the output projection and the CTC head keep the rows of tokens that stay;
    what is new begins between the row of its base letter (``é``: ``e``; of a longer token, the
    rows that wrote it before) and the mean of all rows: near what it looks like, and less likely.

    Args:
        model: is changed, unless nothing has to be; of a tied pair both ends stay one.
        tokenizer: stays as it is.
        how: ``"keep"``: nothing changes. ``"extend"``: a token more for every character that is
            missing, or that a byte-level vocabulary writes in several tokens; all others keep
            their ids. ``"characters"``: one token a character of ``texts`` and of printable ASCII.
            ``"bpe"``: a byte-level BPE of ``bpe_size`` tokens, trained on ``texts``.

    Raises:
        UsageError: a kind of vocabulary that cannot be extended, or a ``bpe_size`` too small.
    """
    if how == "keep":
        return model, tokenizer
    if how == "extend":
        new = _new_characters(tokenizer, texts)
        if not new:
            return model, tokenizer
        grown = extended(tokenizer, new)
        fit_vocabulary(model, tokenizer, grown, same_ids=True)
        return model, grown
    other = (
        of_characters(texts)
        if how == "characters"
        else trained_bpe(texts, bpe_size, starts_with_bos(tokenizer))
    )
    fit_vocabulary(model, tokenizer, other, same_ids=False)
    return model, other


def _new_characters(tokenizer: Tokenizer, texts: Sequence[str]) -> set[str]:
    if not is_byte_level(tokenizer):
        return set(missing_characters(tokenizer, texts))
    found, vocab = set().union(*map(composed_line, texts)), tokenizer.get_vocab()
    return {character for character in found if as_bytes(character) not in vocab}


@dataclass
class _Rows:
    """Where the rows of a new vocabulary come from.

    Attributes:
        size: of the new vocabulary.
        carried: new id to the old id whose row it keeps.
        alike: new id to old ids that it resembles.
    """

    size: int
    carried: dict[int, int] = field(default_factory=dict)
    alike: dict[int, list[int]] = field(default_factory=dict)

    def of(self, old: Tensor) -> Tensor:
        """(size, …) from the (old size, …) rows of one parameter."""
        mean = old.mean(0, keepdim=True)
        new = mean.repeat(self.size, *[1] * (old.dim() - 1))
        for index, ids in self.alike.items():
            new[index] = (old[ids].mean(0) + mean[0]) / 2
        new[list(self.carried)] = old[list(self.carried.values())]
        return new


@torch.no_grad()
def fit_vocabulary(
    model: VisionEncoderDecoderModel, old: Tokenizer, new: Tokenizer, *, same_ids: bool
) -> None:
    """Give ``model`` the rows and ids of ``new`` instead of those of ``old``.

    Args:
        same_ids: tokens of ``old`` have the same ids in ``new``.
    """
    config = model.config
    rows = _extended_rows(config.decoder.vocab_size, old, new) if same_ids else _rows(old, new)
    tokens = SpecialTokens.of(model, new)
    if not same_ids:
        tokens = replace(tokens, start=_start(tokens.start, old, new))
        for name in _ID_SETTINGS:  # they name tokens of the old vocabulary
            setattr(model.generation_config, name, None)
    embedding, projection = model.get_input_embeddings(), model.get_output_embeddings()
    tied = projection.weight is embedding.weight
    _set_rows(embedding, rows)
    if tied:
        projection.weight = embedding.weight
    else:
        _set_rows(projection, rows)
    embedding.num_embeddings = projection.out_features = rows.size
    embedding.padding_idx = tokens.pad
    config.decoder.vocab_size = rows.size
    if hasattr(config, "vocab_size"):  # the fine-tuning tutorials set it
        config.vocab_size = rows.size
    if hasattr(model.encoder, "ctc_head"):
        _fit_ctc_head(model.encoder.ctc_head, config.encoder.ctc_frames_per_token, rows)
        config.encoder.ctc_vocab_size = rows.size
        config.encoder.ctc_blank_token_id = tokens.pad
    tokens.give_to(model)


_ID_SETTINGS = (
    "bad_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
    "forced_bos_token_id",
    "forced_eos_token_id",
)


def _extended_rows(old_size: int, old: Tokenizer, new: Tokenizer) -> _Rows:
    added = set(new.get_vocab().values()) - set(old.get_vocab().values())
    # Published models have rows that no token uses.
    size = max(old_size, 1 + max(new.get_vocab().values()))
    rows = _Rows(size, {i: i for i in range(old_size) if i not in added})
    _add_alike(rows, sorted(added), old, new)
    return rows


def _rows(old: Tokenizer, new: Tokenizer) -> _Rows:
    """By the text that a token adds to a line, and by the role of a special token."""
    old_ids, texts = _ids_by_text(old), new.token_strings()
    rows = _Rows(len(texts), {i: old_ids[t] for i, t in enumerate(texts) if t in old_ids})
    _add_alike(rows, [i for i in range(len(texts)) if i not in rows.carried], old, new)
    rows.carried |= _special_ids(new, old)
    return rows


def _ids_by_text(tokenizer: Tokenizer) -> dict[str | None, int]:
    texts = enumerate(tokenizer.token_strings())
    return {text: index for index, text in texts if text is not None}


def _special_ids(source: Tokenizer, target: Tokenizer) -> dict[int, int]:
    """The special ids of one tokenizer to those of another, by their roles."""
    roles = [role for role in source.special_tokens_map if role in target.special_tokens_map]
    return {getattr(source, f"{role}_id"): getattr(target, f"{role}_id") for role in roles}


def _start(token: int, old: Tokenizer, new: Tokenizer) -> int:
    """The start token: ``<s>`` where texts are encoded without it, else the one of before."""
    if not starts_with_bos(new):
        return new.bos_token_id
    return _special_ids(old, new).get(token, new.bos_token_id)


def _add_alike(rows: _Rows, added: list[int], old: Tokenizer, new: Tokenizer) -> None:
    old_ids, texts = _ids_by_text(old), new.token_strings()
    for i in added:
        text = texts[i] or ""
        if len(text) == 1:
            ids = [old_ids[letter] for letter in [base_letter(text)] if letter in old_ids]
        else:
            ids = old.encode(text, add_special_tokens=False)
            ids = [token for token in ids if token != old.unk_token_id]
        if ids:
            rows.alike[i] = ids


def base_letter(character: str) -> str:
    """What a character is a variant of: ``é`` of ``e``, ``ſ`` of ``s``, ``ł`` of ``l``; itself
    where Unicode names none."""
    base = unicodedata.normalize("NFKD", character)[0]
    plain, _, _ = unicodedata.name(base, "").partition(" WITH ")
    try:
        return unicodedata.lookup(plain)
    except KeyError:  # control characters, and names that are no longer one without the rest
        return base


def _set_rows(layer: nn.Embedding | nn.Linear, rows: _Rows) -> None:
    layer.weight = nn.Parameter(rows.of(layer.weight), layer.weight.requires_grad)


def _fit_ctc_head(head: Any, frames: int, rows: _Rows) -> None:
    """Its rows are ``frames`` vocabularies, one after the other."""
    for name in ("weight", "bias"):
        old = getattr(head, name)
        by_token = old.unflatten(0, (frames, -1)).transpose(0, 1)
        new = rows.of(by_token).transpose(0, 1).flatten(0, 1)
        setattr(head, name, nn.Parameter(new, old.requires_grad))
    head.out_features = frames * rows.size
