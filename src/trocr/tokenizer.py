"""Text to token ids and back: the published RoBERTa and XLM-R vocabularies, and our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from .batch import BatchFeature, to_arrays
from .errors import UsageError
from .tokenizer_files import (
    DEFAULT_SPECIAL_TOKENS,
    TokenizerFiles,
    read_tokenizer_files,
    write_tokenizer_files,
)

# A model_max_length above this is the reference's way to write "no limit".
_NO_LIMIT = int(1e20)


class Tokenizer:
    """A `tokenizers` pipeline and the special tokens of a text decoder.

    Token ids are plain Python ints; every text is encoded as ``<s> ids </s>`` (the template comes
    from the files). The interface is that of the reference's fast tokenizers.

    Attributes:
        backend: the `tokenizers.Tokenizer` that does the work.
        config: the entries of ``tokenizer_config.json``, kept and saved back.
        bos_token, pad_token, eos_token, unk_token, cls_token, sep_token, mask_token: their text,
            and the ids under the same names with ``_id``; only ``<mask>`` may be missing (None).
        model_max_length: the longest sequence, special tokens included, that ``truncation=True``
            leaves.
    """

    model_input_names = ("input_ids", "attention_mask")

    def __init__(self, files: TokenizerFiles) -> None:
        self._files = files
        self.backend, self.config = files.backend, files.config
        self.special_tokens_map = special = files.special_tokens
        self.bos_token, self.bos_token_id = special["bos_token"], self._id(special["bos_token"])
        self.pad_token, self.pad_token_id = special["pad_token"], self._id(special["pad_token"])
        self.eos_token, self.eos_token_id = special["eos_token"], self._id(special["eos_token"])
        self.unk_token, self.unk_token_id = special["unk_token"], self._id(special["unk_token"])
        self.cls_token, self.cls_token_id = special["cls_token"], self._id(special["cls_token"])
        self.sep_token, self.sep_token_id = special["sep_token"], self._id(special["sep_token"])
        self.mask_token = special.get("mask_token")
        self.mask_token_id = None if self.mask_token is None else self._id(self.mask_token)
        self.model_max_length = int(files.config.get("model_max_length") or _NO_LIMIT)
        self.padding_side: str = files.config.get("padding_side", "right")
        self.truncation_side: str = files.config.get("truncation_side", "right")
        self.clean_up_tokenization_spaces = bool(
            files.config.get("clean_up_tokenization_spaces", False)
        )
        self.backend.no_padding()
        self.backend.no_truncation()
        self.backend.encode_special_tokens = bool(files.config.get("split_special_tokens", False))

    @classmethod
    def from_characters(cls, characters: str) -> Tokenizer:
        """A vocabulary of single characters: 0 ``<s>``, 1 ``<pad>``, 2 ``</s>``, 3 ``<unk>``, then
        one id per character of `characters` in its order.

        Text is composed (NFC) first; ``encode`` ends it with ``</s>``, and a decoder starts from
        ``<s>``. Special tokens written in a text are read as characters.

        Raises:
            UsageError: a character occurs twice, or is not in composed form.
        """
        nfc = normalizers.NFC()
        wrong = sorted({c for c in characters if nfc.normalize_str(c) != c})
        wrong = wrong or sorted({c for c in characters if characters.count(c) > 1})
        if wrong:
            raise UsageError(
                f"The vocabulary repeats, or has in decomposed form, the characters {wrong}.",
                "Give every character once, composed (NFC).",
            )
        special = dict(DEFAULT_SPECIAL_TOKENS)
        del special["mask_token"]
        vocab = {
            token: index
            for index, token in enumerate([*dict.fromkeys(special.values()), *characters])
        }
        backend = tokenizers.Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
        backend.normalizer = nfc
        every_character = tokenizers.Regex(r"[\s\S]")
        backend.pre_tokenizer = pre_tokenizers.Split(every_character, behavior="isolated")
        backend.decoder = decoders.Fuse()
        backend.post_processor = processors.TemplateProcessing(
            single="$A </s>", special_tokens=[("</s>", vocab["</s>"])]
        )
        backend.add_special_tokens(list(dict.fromkeys(special.values())))
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "split_special_tokens": True}
        return cls(TokenizerFiles(backend, config, special))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Tokenizer:
        """Read a tokenizer from a folder in any layout that `read_tokenizer_files` knows.

        Raises:
            CheckpointError: no tokenizer in the folder, or a file that cannot be read.
        """
        return cls(read_tokenizer_files(Path(folder)))

    @property
    def vocab_size(self) -> int:
        """Number of tokens without those added on top of the vocabulary."""
        return self.backend.get_vocab_size(with_added_tokens=False)

    def __len__(self) -> int:
        return self.backend.get_vocab_size(with_added_tokens=True)

    @property
    def all_special_tokens(self) -> list[str]:
        """The distinct special tokens."""
        return list(dict.fromkeys(self.special_tokens_map.values()))

    @property
    def all_special_ids(self) -> list[int]:
        """The ids of `all_special_tokens`."""
        return [self._id(token) for token in self.all_special_tokens]

    def get_vocab(self) -> dict[str, int]:
        """Every token, added ones included, with its id."""
        return self.backend.get_vocab(with_added_tokens=True)

    def convert_tokens_to_ids(self, tokens: str | Sequence[str]) -> int | list[int]:
        """The id of each token, ``unk_token_id`` where there is none."""
        if isinstance(tokens, str):
            return self._id(tokens)
        return [self._id(token) for token in tokens]

    def convert_ids_to_tokens(self, ids: int | Sequence[int]) -> str | list[str | None] | None:
        """The token of each id, None where there is none."""
        if isinstance(ids, int):
            return self.backend.id_to_token(ids)
        return [self.backend.id_to_token(int(i)) for i in ids]

    def tokenize(self, text: str, add_special_tokens: bool = False) -> list[str]:
        """The tokens of a text, as they are written in the vocabulary."""
        return self.backend.encode(text, add_special_tokens=add_special_tokens).tokens

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """The token ids of a text, between ``<s>`` and ``</s>`` unless asked otherwise."""
        return self.backend.encode(text, add_special_tokens=add_special_tokens).ids

    def __call__(
        self,
        text: str | Sequence[str] | Sequence[Sequence[str]],
        padding: bool | str = False,
        truncation: bool | str | None = None,
        max_length: int | None = None,
        return_tensors: str | None = None,
        add_special_tokens: bool = True,
        is_split_into_words: bool = False,
        pad_to_multiple_of: int | None = None,
    ) -> BatchFeature:
        """Encode one text or a batch.

        Args:
            text: a string, or a list of them; with `is_split_into_words`, a list of words, or a
                list of such lists.
            padding: False, True or ``"longest"``, or ``"max_length"``; pads on `padding_side`.
            truncation: True or ``"longest_first"`` cuts to `max_length` tokens; None cuts exactly
                when `max_length` is given and `padding` is not.
            max_length: tokens with special ones, default `model_max_length`.
            return_tensors: None for lists, ``"pt"`` for int64 tensors, ``"np"`` for arrays.
            pad_to_multiple_of: round padded lengths up to a multiple of this.

        Returns:
            ``input_ids`` and ``attention_mask`` (1 for tokens, 0 for padding), each (tokens) for
            one text as lists, (batch, tokens) otherwise.

        Raises:
            UsageError: no text, an unknown option, or ragged rows asked as one tensor.
        """
        batch = [text] if _is_single(text, is_split_into_words) else list(text)
        if truncation is None:
            truncation = max_length is not None and padding is False
        limit = max_length if max_length is not None else self.model_max_length
        rows = self._encode_batch(
            batch,
            limit if _option("truncation", truncation, "longest_first") else None,
            add_special_tokens,
            is_split_into_words,
        )
        masks = [[1] * len(row) for row in rows]
        if kind := _option("padding", padding, "longest", "max_length"):
            length = max(map(len, rows), default=0) if kind == "longest" else limit
            if length < _NO_LIMIT:
                length = _round_up(length, pad_to_multiple_of or 1)
                rows = [self._pad(row, length, self.pad_token_id) for row in rows]
                masks = [self._pad(mask, length, 0) for mask in masks]
        if return_tensors is None and _is_single(text, is_split_into_words):
            return BatchFeature(input_ids=rows[0], attention_mask=masks[0])
        return BatchFeature(
            input_ids=to_arrays(rows, return_tensors),
            attention_mask=to_arrays(masks, return_tensors),
        )

    def decode(
        self,
        token_ids: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> Any:
        """The text of token ids; a batch gives a list of texts.

        Args:
            token_ids: an int, a list of ints, a batch of those, or an integer tensor or array.
                Ids without a token add nothing.
            skip_special_tokens: leave out ``<s>``, ``</s>``, ``<pad>``, ``<unk>``, ``<mask>``.
            clean_up_tokenization_spaces: drop spaces before ``. ? ! ,`` and English contractions;
                default is the entry of the same name in ``tokenizer_config.json``, else no. As in
                the reference it does nothing to byte-level BPE, where a space is a space.

        Raises:
            UsageError: a negative id, such as the -100 that masks labels.
        """
        ids = _plain_ids(token_ids)
        if isinstance(ids, int):
            ids = [ids]
        if ids and not isinstance(ids[0], int):
            return [
                self.decode(row, skip_special_tokens, clean_up_tokenization_spaces) for row in ids
            ]
        if any(i < 0 for i in ids):
            raise UsageError(
                f"Token id {min(ids)} cannot be decoded.",
                "Replace the -100 of masked labels with pad_token_id first.",
            )
        text = self.backend.decode(ids, skip_special_tokens=skip_special_tokens)
        if clean_up_tokenization_spaces is None:
            clean_up_tokenization_spaces = self.clean_up_tokenization_spaces
        if clean_up_tokenization_spaces and not isinstance(self.backend.model, models.BPE):
            text = _clean_up(text)
        return text

    def batch_decode(
        self,
        sequences: Any,
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> list[str]:
        """`decode` of every sequence of a batch, always a list."""
        ids = _plain_ids(sequences)
        if not ids:
            return []
        texts = self.decode(ids, skip_special_tokens, clean_up_tokenization_spaces)
        return [texts] if isinstance(texts, str) else texts

    def token_strings(self) -> list[str | None]:
        """The text that each id adds to a decoded line, for constrained decoding.

        None for special tokens, ids without a token, and byte-level tokens that are no whole
        UTF-8 text by themselves. A word-initial SentencePiece token counts with its space, which
        `decode` drops at the start of a line.
        """
        texts: list[str | None] = [None] * (max(self.get_vocab().values()) + 1)
        to_text = _token_reader(self.backend)
        for token, index in self.backend.get_vocab(with_added_tokens=False).items():
            texts[index] = to_text(token)
        for index, added in self.backend.get_added_tokens_decoder().items():
            texts[index] = None if added.special else added.content
        for index in self.all_special_ids:
            texts[index] = None
        return texts

    def save_pretrained(
        self, folder: str | Path, legacy_format: bool | None = None
    ) -> tuple[str, ...]:
        """Write the tokenizer so that `from_pretrained` and the reference read the same ids.

        Args:
            folder: created if missing.
            legacy_format: None writes ``tokenizer.json`` and, where they exist, the older
                vocabulary files; False only ``tokenizer.json``; True only the older ones.

        Returns:
            The paths of the files written.

        Raises:
            UsageError: `legacy_format` is True and this vocabulary has no older format.
        """
        written = write_tokenizer_files(Path(folder), self._files, legacy_format)
        return tuple(str(path) for path in written)

    def _id(self, token: str) -> int:
        index = self.backend.token_to_id(token)
        return self.unk_token_id if index is None else index

    def _encode_batch(
        self, batch: list[Any], limit: int | None, add_special_tokens: bool, words: bool
    ) -> list[list[int]]:
        encodings = self.backend.encode_batch(
            batch, is_pretokenized=words, add_special_tokens=False
        )
        extra = self.backend.num_special_tokens_to_add(False) if add_special_tokens else 0
        rows = []
        for encoding in encodings:
            if limit is not None and limit < _NO_LIMIT:
                encoding.truncate(max(limit - extra, 0), direction=self.truncation_side)
            rows.append(self.backend.post_process(encoding, None, add_special_tokens).ids)
        return rows

    def _pad(self, row: list[int], length: int, value: int) -> list[int]:
        padding = [value] * (length - len(row))
        return row + padding if self.padding_side == "right" else padding + row


def _is_single(text: Any, words: bool) -> bool:
    """Whether `text` is one text rather than a batch; raises UsageError if it is no text."""
    if isinstance(text, str):
        return True
    if not isinstance(text, (list, tuple)):
        raise UsageError(
            f"Text must be a string or a list of strings, not {type(text).__name__}.",
            "Pass one string, or a list with one string per line.",
        )
    single = words and not (text and isinstance(text[0], (list, tuple)))
    flat = [word for row in text for word in row] if words and not single else text
    if not all(isinstance(item, str) for item in flat):
        raise UsageError(
            "Text must be a string or a list of strings.",
            "Set is_split_into_words=True for lists of words.",
        )
    return single


def _plain_ids(ids: Any) -> Any:
    """Tensors, arrays and tuples of ids, at any depth, as lists of ints."""
    if hasattr(ids, "tolist"):
        return ids.tolist()
    return [_plain_ids(item) for item in ids] if isinstance(ids, (list, tuple)) else ids


def _option(name: str, value: bool | str, *kinds: str) -> str | None:
    """The kind of padding or truncation asked for: True means the first, None is none."""
    if value is False or value in ("do_not_pad", "do_not_truncate"):
        return None
    kind = kinds[0] if value is True else value
    if kind not in kinds:
        raise UsageError(f"{name}={value!r} is not known.", f"Use True, False or one of {kinds}.")
    return kind


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _token_reader(backend: tokenizers.Tokenizer) -> Callable[[str], str | None]:
    """The function from a vocabulary entry to its text, by the kind of decoder."""
    decoder = json.loads(backend.decoder.__getstate__()) if backend.decoder else {}
    if decoder.get("type") == "ByteLevel":
        return _byte_level_text
    if decoder.get("type") == "Metaspace":
        return lambda token: token.replace(decoder["replacement"], " ")
    return lambda token: token


def _byte_level_text(token: str) -> str | None:
    """A byte-level token is a row of characters that stand for one byte each (GPT-2's table)."""
    try:
        return bytes(_BYTE_OF[character] for character in token).decode("utf-8")
    except KeyError:
        return token
    except UnicodeDecodeError:
        return None


def _byte_alphabet() -> dict[str, int]:
    """Printable Latin-1 bytes stand for themselves, the others follow from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


_BYTE_OF = _byte_alphabet()

_CLEAN_UP = (" .", " ?", " !", " ,", " n't", " 'm", " 's", " 've", " 're")


def _clean_up(text: str) -> str:
    """Undo the spaces that word-level vocabularies put before English punctuation."""
    for ending in _CLEAN_UP[:4]:
        text = text.replace(ending, ending[1:])
    text = text.replace(" ' ", "'")
    for ending in _CLEAN_UP[4:]:
        text = text.replace(ending, ending[1:])
    return text
