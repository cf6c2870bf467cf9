"""Vocabularies that texts need: an old one with more characters, or a new one.

New tokens are ordinary entries of the vocabulary. The added tokens of `tokenizers` would cut a
text before it is normalised: spaces appear or vanish around them, and byte-level decoders take
some of them (``é``, ``Ĉ``) for single bytes.
"""

from __future__ import annotations

import json
import string
from collections.abc import Iterable
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from ...errors import UsageError
from ...labelled_lines import composed_line
from ...tokenizer import Tokenizer
from ...tokenizer_files import DEFAULT_SPECIAL_TOKENS, TokenizerFiles

# Private-use characters (plane 16) stand in for what a normaliser would change.
_FIRST_STAND_IN = 0x100000
_GENERIC_CLASS = "PreTrainedTokenizerFast"  # the reference then reads tokenizer.json as it is


def is_byte_level(tokenizer: Tokenizer) -> bool:
    """Whether its tokens are rows of bytes, which can write any text."""
    return isinstance(tokenizer.backend.decoder, decoders.ByteLevel)


def as_bytes(character: str) -> str:
    """How byte-level vocabularies write a character: one printable character per UTF-8 byte."""
    pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return "".join(token for token, _ in pre_tokenizer.pre_tokenize_str(character))


def starts_with_bos(tokenizer: Tokenizer) -> bool:
    """Whether ``encode`` puts ``<s>`` in front of a text."""
    return tokenizer.encode("")[:1] == [tokenizer.bos_token_id]


def extended(tokenizer: Tokenizer, characters: Iterable[str]) -> Tokenizer:
    """The same vocabulary with one more token per character, behind all others.

    Raises:
        UsageError: a kind of vocabulary that cannot grow.
    """
    characters = sorted(set(characters))
    model = tokenizer.backend.model
    if isinstance(model, models.WordLevel):
        old = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        text = "".join(token for token, _ in old if token not in tokenizer.all_special_tokens)
        grown = Tokenizer.from_characters(text + "".join(characters))
    elif isinstance(model, models.Unigram):
        grown = _with_pieces(tokenizer, characters)
    elif is_byte_level(tokenizer):
        grown = _with_merges(tokenizer, characters)
    else:
        raise UsageError(
            "This kind of vocabulary cannot be extended.", "Use --tokenizer characters or bpe."
        )
    if not tokenizer.get_vocab().items() <= grown.get_vocab().items():
        raise UsageError(
            "Extending this vocabulary would change the ids of its tokens.",
            "Use --tokenizer characters or bpe.",
        )
    return grown


def _with_pieces(tokenizer: Tokenizer, characters: list[str]) -> Tokenizer:
    """A unigram vocabulary: pieces as unlikely as its rarest, so that longer ones win."""
    state = json.loads(tokenizer.backend.to_str())
    pieces, known = state["model"]["vocab"], tokenizer.get_vocab()
    score = min(score for _, score in pieces)
    new = (character for character in characters if character not in known)
    pieces += [[token, score] for token in (*_on_top(tokenizer), *new)]
    normalizer = tokenizer.backend.normalizer
    changed = [c for c in characters if normalizer and normalizer.normalize_str(c) != c]
    # Composed first, as stand-ins are for composed characters.
    steps: list[dict[str, Any]] = [{"type": "NFC"}, *_replacements(changed, away=True)]
    steps += [state["normalizer"]] if normalizer else []
    state["normalizer"] = {
        "type": "Sequence",
        "normalizers": [*steps, *_replacements(changed, away=False)],
    }
    # The reference's class for XLM-R would build a pipeline without the stand-ins.
    return _rebuilt(tokenizer, state, {**tokenizer.config, "tokenizer_class": _GENERIC_CLASS})


def _replacements(characters: list[str], away: bool) -> list[dict[str, Any]]:
    pairs = [(c, chr(_FIRST_STAND_IN + i)) for i, c in enumerate(characters)]
    return [
        {
            "type": "Replace",
            "pattern": {"String": character if away else stand_in},
            "content": stand_in if away else character,
        }
        for character, stand_in in pairs
    ]


def _with_merges(tokenizer: Tokenizer, characters: list[str]) -> Tokenizer:
    """A byte-level vocabulary: merges before all others, so that each of the characters is one
    token wherever it stands."""
    state = json.loads(tokenizer.backend.to_str())
    vocab: dict[str, int] = state["model"]["vocab"]
    merges: dict[tuple[str, str], None] = {}
    for token in _on_top(tokenizer):
        vocab[token] = len(vocab)
    for token in map(as_bytes, characters):
        for end in range(1, len(token)):
            merges[token[:end], token[end]] = None
            vocab.setdefault(token[: end + 1], len(vocab))
    merges.update(dict.fromkeys(tuple(pair) for pair in state["model"]["merges"]))
    state["model"]["merges"] = list(merges)
    return _rebuilt(tokenizer, state, tokenizer.config)


def of_characters(texts: Iterable[str]) -> Tokenizer:
    """A vocabulary of the characters in `texts` and printable ASCII."""
    found = set(string.printable).union(*map(composed_line, texts))
    return Tokenizer.from_characters(
        "".join(sorted(c for c in found if c == " " or not c.isspace()))
    )


def trained_bpe(texts: Iterable[str], size: int, bos_in_front: bool) -> Tokenizer:
    """A byte-level BPE of at most `size` tokens, laid out as RoBERTa's: ``<s> <pad> </s> <unk>``
    first, ``<mask>`` last.

    Args:
        bos_in_front: texts are encoded as ``<s> ids </s>``, otherwise as ``ids </s>``.

    Raises:
        UsageError: a size that has no room for the single bytes.
    """
    first = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    least = len(first) + len(alphabet) + 1
    if size < least:
        raise UsageError(f"A byte-level vocabulary of {size} tokens.", f"Give at least {least}.")
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - 1, special_tokens=first, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(map(composed_line, texts), trainer)
    backend.add_special_tokens(["<mask>"])
    front = ["<s>"] if bos_in_front else []
    ends = [(token, backend.token_to_id(token)) for token in ("<s>", "</s>")]
    backend.post_processor = processors.TemplateProcessing(
        single=[*front, "$A", "</s>"], special_tokens=ends
    )
    config = {"tokenizer_class": "RobertaTokenizer" if bos_in_front else _GENERIC_CLASS}
    return Tokenizer(TokenizerFiles(backend, config, dict(DEFAULT_SPECIAL_TOKENS)))


def _on_top(tokenizer: Tokenizer) -> list[str]:
    """Tokens that were added behind the vocabulary, which become a part of it."""
    added = sorted(tokenizer.backend.get_added_tokens_decoder().items())
    return [token.content for index, token in added if index >= tokenizer.vocab_size]


def _rebuilt(tokenizer: Tokenizer, state: dict[str, Any], config: dict[str, Any]) -> Tokenizer:
    backend = tokenizers.Tokenizer.from_str(json.dumps(state))
    return Tokenizer(TokenizerFiles(backend, config, tokenizer.special_tokens_map))
