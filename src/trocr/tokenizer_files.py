"""The file layouts of tokenizers, read into one `tokenizers` pipeline and written back.

Three vocabularies are known, the first one found in this order wins: ``tokenizer.json``;
``vocab.json`` with ``merges.txt`` (RoBERTa, byte-level BPE); ``sentencepiece.bpe.model`` (XLM-R,
unigram). Beside them lie ``tokenizer_config.json``, ``special_tokens_map.json`` and
``added_tokens.json``, all optional.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from .errors import CheckpointError, UsageError
from .sentencepiece_model import PieceType, read_sentencepiece_model

UNIFIED, CONFIG = "tokenizer.json", "tokenizer_config.json"
SPECIAL_MAP, ADDED = "special_tokens_map.json", "added_tokens.json"
VOCAB, MERGES, SENTENCEPIECE = "vocab.json", "merges.txt", "sentencepiece.bpe.model"

# Roles a special token can have, and its text where no file names it.
DEFAULT_SPECIAL_TOKENS = {
    "bos_token": "<s>",
    "pad_token": "<pad>",
    "eos_token": "</s>",
    "unk_token": "<unk>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}
# Entries that other files or the pipeline hold; the reference leaves them out when it saves.
_NOT_SAVED = (
    "added_tokens_decoder",
    "additional_special_tokens",
    "name_or_path",
    "special_tokens_map_file",
    "tokenizer_file",
)


@dataclass
class TokenizerFiles:
    """What the files of one tokenizer say.

    Attributes:
        backend: the pipeline, text to ids and back.
        config: the entries of ``tokenizer_config.json``.
        special_tokens: role (``bos_token`` …) to the text of the token.
        sentencepiece_file: where the vocabulary came from, if it was a ``.model`` file.
    """

    backend: Tokenizer
    config: dict[str, Any]
    special_tokens: dict[str, str]
    sentencepiece_file: Path | None = None


def read_tokenizer_files(folder: Path) -> TokenizerFiles:
    """Read the tokenizer in `folder`.

    Raises:
        CheckpointError: nothing to read, or a file is corrupt or contradicts another.
    """
    config = _read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    special = _special_tokens(folder, config)
    texts = DEFAULT_SPECIAL_TOKENS | {role: token.content for role, token in special.items()}
    source = None
    if (folder / UNIFIED).is_file():
        backend = _guarded(folder / UNIFIED, lambda path: Tokenizer.from_file(str(path)))
    elif (folder / VOCAB).is_file() and (folder / MERGES).is_file():
        backend = _guarded(folder / VOCAB, lambda path: _byte_level_bpe(path.parent, config))
    elif (folder / SENTENCEPIECE).is_file():
        source = folder / SENTENCEPIECE
        backend = _guarded(source, lambda path: _unigram(path, texts, config))
    else:
        raise CheckpointError(
            f"No tokenizer in {folder}: looked for {UNIFIED}, {VOCAB} with {MERGES}, and "
            f"{SENTENCEPIECE}.",
            "Give the folder of a model that was saved together with its tokenizer.",
        )
    _add_tokens(backend, folder, config, special)
    if not (folder / UNIFIED).is_file():
        backend.add_special_tokens([text for role, text in texts.items() if role not in special])
    if backend.post_processor is None:
        backend.post_processor = _template(backend, texts)
    special_tokens = {
        role: text for role, text in texts.items() if backend.token_to_id(text) is not None
    }
    missing = DEFAULT_SPECIAL_TOKENS.keys() - special_tokens.keys() - {"mask_token"}
    if missing:
        raise CheckpointError(
            f"The tokenizer in {folder} has no {', '.join(sorted(missing))}.",
            f"Name them in {CONFIG}, or add them to the vocabulary.",
        )
    return TokenizerFiles(backend, config, special_tokens, source)


def write_tokenizer_files(
    folder: Path, files: TokenizerFiles, legacy_format: bool | None
) -> list[Path]:
    """Write ``tokenizer.json`` unless `legacy_format` is True, and the older layout unless it is
    False; returns the paths written.

    Raises:
        UsageError: `legacy_format` is True and this vocabulary has no older layout.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in files.config.items() if key not in _NOT_SAVED}
    config.setdefault("tokenizer_class", _tokenizer_class(files.backend))
    written = [_write_json(folder / CONFIG, {**config, **files.special_tokens})]
    if legacy_format is not True:
        files.backend.save(str(folder / UNIFIED))
        written.append(folder / UNIFIED)
    legacy = _write_vocabulary(folder, files) if legacy_format is not False else []
    if legacy_format and not legacy:
        raise UsageError(
            "This vocabulary has no older file layout.", "Leave legacy_format=None to save it."
        )
    if legacy:
        added = files.backend.get_added_tokens_decoder()
        size = files.backend.get_vocab_size(with_added_tokens=False)
        on_top = {token.content: index for index, token in added.items() if index >= size}
        legacy.append(_write_json(folder / SPECIAL_MAP, files.special_tokens))
        legacy += [_write_json(folder / ADDED, on_top)] if on_top else []
    return written + legacy


def _write_vocabulary(folder: Path, files: TokenizerFiles) -> list[Path]:
    if isinstance(files.backend.model, models.BPE):
        return [Path(path) for path in files.backend.model.save(str(folder))]
    source = files.sentencepiece_file
    if source is None or not source.is_file():
        return []
    target = folder / SENTENCEPIECE
    if source.resolve() != target.resolve():
        shutil.copyfile(source, target)
    return [target]


def _byte_level_bpe(folder: Path, config: Mapping[str, Any]) -> Tokenizer:
    """The RoBERTa pipeline: bytes as printable characters, merged pair by pair."""
    backend = Tokenizer(models.BPE.from_file(str(folder / VOCAB), str(folder / MERGES)))
    prefix = bool(config.get("add_prefix_space", False))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    backend.decoder = decoders.ByteLevel()
    return backend


def _unigram(path: Path, texts: Mapping[str, str], config: Mapping[str, Any]) -> Tokenizer:
    """The XLM-R pipeline. Its ids are not the file's: ``<s> <pad> </s> <unk>`` come first, then
    the file's pieces after its own ``<unk> <s> </s>``, and ``<mask>`` last."""
    model = read_sentencepiece_model(path.read_bytes())
    if model.model_type != 1:
        raise ValueError("it holds no unigram model")
    if [piece.type for piece in model.pieces[:3]] != [PieceType.UNKNOWN, *[PieceType.CONTROL] * 2]:
        raise ValueError("its first pieces are not <unk>, <s> and </s>")
    first = [(texts[role], 0.0) for role in ("bos_token", "pad_token", "eos_token", "unk_token")]
    pieces = [(piece.text, piece.score) for piece in model.pieces[3:]]
    vocab = [*first, *pieces, (texts["mask_token"], 0.0)]
    backend = Tokenizer(models.Unigram(vocab, unk_id=3, byte_fallback=False))
    if model.precompiled_charsmap:
        backend.normalizer = normalizers.Precompiled(model.precompiled_charsmap)
    scheme = "always" if config.get("add_prefix_space", True) else "never"
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme=scheme)]
    )
    backend.decoder = decoders.Metaspace(prepend_scheme=scheme)
    for piece in model.pieces[3:]:
        if piece.type in (PieceType.CONTROL, PieceType.USER_DEFINED):
            special = piece.type == PieceType.CONTROL
            backend.add_tokens([AddedToken(piece.text, special=special, normalized=False)])
    return backend


def _template(backend: Tokenizer, texts: Mapping[str, str]) -> processors.PostProcessor:
    """``<s> text </s>``, the form of both published families."""
    bos, eos = texts["cls_token"], texts["sep_token"]
    return processors.TemplateProcessing(
        single=[bos, "$A", eos],
        pair=[bos, "$A", eos, eos, "$B", eos],
        special_tokens=[(token, backend.token_to_id(token)) for token in (bos, eos)],
    )


def _special_tokens(folder: Path, config: Mapping[str, Any]) -> dict[str, AddedToken]:
    """Role to token, as far as the files name it.

    A config with ``added_tokens_decoder`` (written by 4.34 and later) overrules the map file.
    """
    named = dict(config)
    if "added_tokens_decoder" not in config and (folder / SPECIAL_MAP).is_file():
        named |= _read_json(folder / SPECIAL_MAP)
    return {
        role: _token(named[role], special=True)
        for role in DEFAULT_SPECIAL_TOKENS
        if named.get(role) is not None
    }


def _token(value: str | Mapping[str, Any], special: bool) -> AddedToken:
    """A token from its text, or from the dict in which the reference saves one."""
    if isinstance(value, str):
        return AddedToken(value, special=special, normalized=not special)
    flags = {
        key: bool(value[key])
        for key in ("single_word", "lstrip", "rstrip", "normalized")
        if key in value
    }
    return AddedToken(value["content"], special=bool(value.get("special", special)), **flags)


def _add_tokens(
    backend: Tokenizer, folder: Path, config: Mapping[str, Any], special: Mapping[str, AddedToken]
) -> None:
    """Give the pipeline the tokens that lie outside its vocabulary, and mark the special ones."""
    listed = {
        int(index): _token(token, special=False)
        for index, token in config.get("added_tokens_decoder", {}).items()
    }
    names = {token.content for token in special.values()}
    if not listed and (folder / ADDED).is_file():
        added = _read_json(folder / ADDED)
        listed = {index: _token(text, special=text in names) for text, index in added.items()}
    known = {token.content for token in backend.get_added_tokens_decoder().values()}
    for index, token in sorted(listed.items()):
        backend.add_tokens([token])
        if backend.token_to_id(token.content) != index:
            raise CheckpointError(
                f"The tokenizer in {folder} gives {token.content!r} the id "
                f"{backend.token_to_id(token.content)}, but its list of added tokens says {index}.",
                "The files do not belong together: copy the whole folder again.",
            )
    known |= {token.content for token in listed.values()}
    backend.add_special_tokens([t for t in special.values() if t.content not in known])


def _tokenizer_class(backend: Tokenizer) -> str:
    """The reference's class for a pipeline, by its kind of model."""
    if isinstance(backend.model, models.BPE):
        return "RobertaTokenizer"
    if isinstance(backend.model, models.Unigram):
        return "XLMRobertaTokenizer"
    return "PreTrainedTokenizerFast"


def _guarded(path: Path, read: Callable[[Path], Tokenizer]) -> Tokenizer:
    """`read(path)`, with every failure, of whatever class `tokenizers` raises, named as ours."""
    try:
        return read(path)
    except Exception as error:
        raise CheckpointError(
            f"The tokenizer file {path} cannot be read: {error}.", "Copy or download it again."
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path} is not valid JSON: {error}.", "Copy or download it again."
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no JSON object.", "Copy or download it again.")
    return content


def _write_json(path: Path, content: Mapping[str, Any]) -> Path:
    text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
    return path
