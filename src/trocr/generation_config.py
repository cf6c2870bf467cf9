"""How to turn a decoder's scores into text: the settings of ``generation_config.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from .errors import CheckpointError, UsageError

FILE_NAME = "generation_config.json"


@dataclass
class GenerationConfig:
    """Settings of the search, named as the published ``generation_config.json`` names them.

    Lengths count tokens; ``max_length`` and ``min_length`` include the prompt. There is no default
    limit: without ``max_length`` or ``max_new_tokens`` a search runs to the end-of-sequence token
    or to the end of the model's position table. ``None`` for a field means its default.

    Attributes:
        max_length: longest sequence, prompt included.
        max_new_tokens: most tokens after the prompt; wins over ``max_length``.
        min_length: no end of sequence before this length, prompt included.
        min_new_tokens: the same without the prompt; wins over ``min_length``.
        do_sample: draw tokens instead of taking the likeliest.
        temperature: > 0, divides the logits before drawing.
        top_k: draw from the ``top_k`` likeliest tokens only; 0 for all.
        top_p: in (0, 1]; draw from the smallest set of tokens whose probability reaches it.
        num_beams: hypotheses kept in parallel; 1 is greedy search.
        num_return_sequences: results per input, at most ``num_beams`` in a beam search.
        length_penalty: a hypothesis scores its summed log-probability / length ** length_penalty.
        early_stopping: ``True`` stops at ``num_beams`` finished hypotheses, ``False`` when a better
            one is unlikely, ``"never"`` when a better one is impossible.
        no_repeat_ngram_size: no n-gram of this size occurs twice; 0 for no rule.
        repetition_penalty: > 0, divides the scores of tokens that occurred; 1.0 for none.
        bad_words_ids: token sequences that never occur.
        suppress_tokens: tokens that never occur.
        begin_suppress_tokens: tokens that do not occur first.
        forced_bos_token_id: the first token after a prompt of one token.
        forced_eos_token_id: the token, or tokens to choose from, at ``max_length``.
        seed: each line draws from its own stream started here, so that no line depends on the
            others of its batch.
        output_scores: return the processed scores of every step.
        output_logits: return the raw logits of every step.
        return_dict_in_generate: return every output, not the ids alone.
        use_cache: keep keys and values between steps.
        decoder_start_token_id, bos_token_id, pad_token_id, eos_token_id: special tokens;
            ``eos_token_id`` may be several.
        extra: keys that this class does not know, kept and saved back.

    Raises:
        UsageError: a value, or a combination of values, that cannot work.
    """

    max_length: int | None = None
    max_new_tokens: int | None = None
    min_length: int = 0
    min_new_tokens: int | None = None
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0
    num_beams: int = 1
    num_return_sequences: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    no_repeat_ngram_size: int = 0
    repetition_penalty: float = 1.0
    bad_words_ids: list[list[int]] | None = None
    suppress_tokens: list[int] | None = None
    begin_suppress_tokens: list[int] | None = None
    forced_bos_token_id: int | None = None
    forced_eos_token_id: int | list[int] | None = None
    seed: int | None = None
    output_scores: bool = False
    output_logits: bool = False
    return_dict_in_generate: bool = False
    use_cache: bool = True
    decoder_start_token_id: int | None = None
    bos_token_id: int | None = None
    pad_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    _from_model_config: ClassVar[bool] = False  # the reference's Trainer asks

    def __post_init__(self) -> None:
        for name, default in _DEFAULTS.items():
            if getattr(self, name) is None:
                setattr(self, name, default)
        self.validate()

    @property
    def eos_token_ids(self) -> list[int]:
        """The end-of-sequence tokens as a list, empty when there is none."""
        return _as_list(self.eos_token_id)

    @property
    def forced_eos_token_ids(self) -> list[int]:
        """``forced_eos_token_id`` as a list, empty when none is forced."""
        return _as_list(self.forced_eos_token_id)

    def validate(self) -> None:
        """Check every value; called on creation and again before a search.

        Raises:
            UsageError: names the setting and what it may be.
        """
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is None and name not in _DEFAULTS:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                _refuse(name, value, f"an integer of {least} or more")
        for name in ("temperature", "repetition_penalty", "top_p", "length_penalty"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                _refuse(name, value, "a number")
        for name in ("temperature", "repetition_penalty"):
            if not getattr(self, name) > 0:
                _refuse(name, getattr(self, name), "greater than 0")
        if not 0 < self.top_p <= 1:
            _refuse("top_p", self.top_p, "greater than 0 and at most 1")
        if not isinstance(self.early_stopping, bool) and self.early_stopping != "never":
            _refuse("early_stopping", self.early_stopping, 'True, False or "never"')
        self._validate_tokens()
        self._validate_combinations()

    def _validate_tokens(self) -> None:
        for name in ("suppress_tokens", "begin_suppress_tokens"):
            tokens = getattr(self, name)
            if tokens is not None and not _is_ids(tokens):
                _refuse(name, tokens, "a list of token ids")
        for name in ("eos_token_id", "forced_eos_token_id"):
            value = getattr(self, name)
            if value is not None and not _is_ids(_as_list(value)):
                _refuse(name, value, "a token id or a list of token ids")
        words = self.bad_words_ids
        if words is not None and not all(_is_ids(word) and word for word in words):
            _refuse("bad_words_ids", words, "a list of non-empty lists of token ids")

    def _validate_combinations(self) -> None:
        if self.num_return_sequences > 1 and self.num_beams == 1 and not self.do_sample:
            raise UsageError(
                f"num_return_sequences is {self.num_return_sequences}, but greedy search has one.",
                "Set num_beams to as many, or do_sample=True.",
            )
        if self.num_beams > 1 and self.num_return_sequences > self.num_beams:
            raise UsageError(
                f"num_return_sequences is {self.num_return_sequences}, but num_beams is"
                f" {self.num_beams}.",
                "A beam search returns at most num_beams sequences.",
            )
        suppressed = set(self.suppress_tokens or ())
        for name, forced in (
            ("forced_bos_token_id", _as_list(self.forced_bos_token_id)),
            ("forced_eos_token_id", self.forced_eos_token_ids),
        ):
            if forced and suppressed.issuperset(forced):
                raise UsageError(f"{name} {forced} is also in suppress_tokens.", "Remove one.")

    def merged(self, **overrides: Any) -> GenerationConfig:
        """Return a copy with other values; ``None`` sets a field back to its default.

        Raises:
            UsageError: an unknown setting, or a value that cannot work.
        """
        unknown = sorted(set(overrides) - _NAMES)
        if unknown:
            raise UsageError(
                f"Unknown generation setting: {', '.join(unknown)}.",
                f"Known are: {', '.join(sorted(_NAMES))}.",
            )
        return GenerationConfig(**{**self.settings(), **overrides}, extra=dict(self.extra))

    def update(self, defaults_only: bool = False, **settings: Any) -> None:
        """Change settings in place; with ``defaults_only`` those that are None.

        Raises:
            UsageError: an unknown setting, or a value that cannot work.
        """
        if defaults_only:
            settings = {k: v for k, v in settings.items() if getattr(self, k, None) is None}
        vars(self).update(vars(self.merged(**settings)))

    def _get_default_generation_params(self) -> dict[str, Any]:
        """Of the settings that are None in the reference: here they have their defaults already."""
        return {}

    def settings(self) -> dict[str, Any]:
        """Return every setting by name, those at their default too."""
        return {name: getattr(self, name) for name in sorted(_NAMES)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> GenerationConfig:
        """Build from the content of a JSON file; unknown keys go to ``extra``."""
        known = {name: value for name, value in values.items() if name in _NAMES}
        extra = {name: value for name, value in values.items() if name not in _NAMES}
        return cls(**known, extra=extra)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings that differ from their defaults, and every unknown key."""
        default = GenerationConfig()
        changed = {
            name: getattr(self, name)
            for name in sorted(_NAMES)
            if getattr(self, name) != getattr(default, name)
        }
        return {**self.extra, **changed}

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> GenerationConfig:
        """Read ``generation_config.json`` of a model folder.

        Raises:
            CheckpointError: the file is missing, is no JSON object, or holds impossible settings.
        """
        path = Path(folder) / FILE_NAME
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"Cannot read {path}: {error}.", "Download the model folder again."
            ) from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{path} holds no JSON object.", "Download it again.")
        try:
            return cls.from_dict(values)
        except UsageError as error:
            raise CheckpointError(f"{path}: {error.message}", error.hint) from error

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``generation_config.json`` into ``folder``, made if it is not there."""
        path = Path(folder) / FILE_NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.to_dict(), indent=2, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")


_LEAST = {
    "max_length": 1,
    "max_new_tokens": 1,
    "min_length": 0,
    "min_new_tokens": 0,
    "top_k": 0,
    "num_beams": 1,
    "num_return_sequences": 1,
    "no_repeat_ngram_size": 0,
    "forced_bos_token_id": 0,
    "seed": 0,
    "decoder_start_token_id": 0,
    "bos_token_id": 0,
    "pad_token_id": 0,
}
_NAMES = {f.name for f in fields(GenerationConfig)} - {"extra"}
_DEFAULTS = {
    f.name: f.default
    for f in fields(GenerationConfig)
    if f.name in _NAMES and f.default is not None
}


def _refuse(name: str, value: object, wanted: str) -> None:
    raise UsageError(f"{name} is {value!r}.", f"It must be {wanted}.")


def _as_list(value: int | list[int] | None) -> list[int]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _is_ids(values: object) -> bool:
    return isinstance(values, (list, tuple)) and all(
        isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values
    )
