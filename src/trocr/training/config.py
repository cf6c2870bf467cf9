"""The one configuration file that makes a model: ``trocr train CONFIG``."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_origin, get_type_hints

from ..errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

Section = TypeVar("Section")
AT_LEAST_ONE = {
    "max_steps",
    "tokens_per_batch",
    "gradient_accumulation",
    "lines_per_chunk",
    "validate_every",
}


@dataclass(frozen=True)
class LineSetSection:
    """One set of real labelled lines, ``[[data.sets]]``.

    A line's group (page, receipt) is what ``group_pattern`` captures of its file name; groups,
    never lines, go to validation. ``same_group`` joins groups that show the same picture;
    ``exclude`` drops some. ``case_blind``: the labels have lost their case. Characters of
    ``remove`` are a transcriber's marks and leave the labels. ``recombined``: share of its lines
    that are put together of words of several, where ``start_from`` reads them well.
    """

    name: str
    path: str
    weight: float = 1.0
    validation_fraction: float = 0.15
    group_pattern: str = r"(.*)_[^_]*$"
    same_group: tuple[tuple[str, ...], ...] = ()
    exclude: tuple[str, ...] = ()
    case_blind: bool = False
    remove: str = ""
    recombined: float = 0.0


@dataclass(frozen=True)
class SyntheticSection:
    """Rendered lines, ``[[data.synthetic]]``: ``kind`` is ``"print"`` or ``"hand"``.

    ``fonts`` and ``texts`` are what ``scripts/fetch-fonts`` and ``scripts/collect-texts`` made;
    ``mixture`` weighs the kinds of text, ``languages`` their languages. Families of the
    validation part are never trained on.
    """

    name: str
    kind: str
    fonts: str
    texts: str
    mixture: dict[str, float]
    languages: dict[str, float] = field(default_factory=dict)
    weight: float = 1.0
    validation_lines: int = 300


@dataclass(frozen=True)
class DataSection:
    """Sets are mixed by weight; ``blank_weight`` is that of crops without text, labelled empty.

    Lines are prepared ``lines_per_chunk`` at a time and sorted by width within. For the first
    ``curriculum_lines`` the longest label allowed grows from 10 characters on, distortions from
    none.
    """

    sets: tuple[LineSetSection, ...] = ()
    synthetic: tuple[SyntheticSection, ...] = ()
    blank_weight: float = 0.03
    lines_per_chunk: int = 512
    curriculum_lines: int = 0


@dataclass(frozen=True)
class ModelSection:
    """``characters`` of the vocabulary; ``encoder`` and ``decoder`` override config defaults.

    ``straighten``, ``stretch``: of the model's ``LineImageProcessor``.
    ``start_from``: a model of the same characters and shape, or with more layers, bundled or a
    folder, whose weights the run begins with. ``num_beams``: with which the model is to read.
    """

    characters: str
    encoder: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    straighten: bool = False
    stretch: float = 1.0
    start_from: str = ""
    num_beams: int = 1


@dataclass(frozen=True)
class OptimizationSection:
    """The learning rate rises linearly, then falls along half a cosine to zero.

    ``muon``: instead of AdamW for the matrices of the Transformer layers. Every process takes
    ``gradient_accumulation`` batches a step. ``ema_decay`` is that of the averaged weights, which
    become the model. ``bfloat16``: mixed precision where the hardware is fast at it (CUDA, AMX).
    The run ends after ``patience`` validations in a row without a better mean CER; 0: never.
    ``fixed_norms``: the statistics of batch norms stay as they are.
    """

    max_steps: int
    tokens_per_batch: int = 1280
    gradient_accumulation: int = 1
    learning_rate: float = 1e-3
    warmup_steps: int = 400
    weight_decay: float = 0.02
    muon: bool = False
    max_grad_norm: float = 1.0
    ctc_weight: float = 0.5
    label_smoothing: float = 0.1
    decoder_token_noise: float = 0.1
    ema_decay: float = 0.999
    bfloat16: bool = True
    validate_every: int = 1000
    patience: int = 0
    fixed_norms: bool = False
    seed: int = 1


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what a run produces, and the folder its paths start from."""

    name: str
    data: DataSection
    model: ModelSection
    optimization: OptimizationSection
    folder: Path
    source: str

    @classmethod
    def read(cls, path: str | Path) -> TrainingConfig:
        """Parse a TOML file.

        Raises:
            UsageError: no such file, not TOML, or an unknown or missing key.
        """
        path = Path(path)
        values, source = read_toml(path)
        config = cls(
            name=str(values.get("name", path.stem)),
            data=_data_section(values.get("data", {}), path),
            model=section_of(ModelSection, values.get("model", {}), "model", path),
            optimization=section_of(
                OptimizationSection, values.get("optimization", {}), "optimization", path
            ),
            folder=path.parent,
            source=source,
        )
        data = config.data
        names = Counter([s.name for s in data.sets] + [s.name for s in data.synthetic])
        if twice := [name for name, count in names.items() if count > 1]:
            raise UsageError(f"{path}: two sets are called {twice[0]!r}.", "Give each its name.")
        return config


def read_toml(path: Path) -> tuple[dict[str, Any], str]:
    """A TOML file, parsed and as it is written.

    Raises:
        UsageError: no such file, or not TOML.
    """
    try:
        source = path.read_text(encoding="utf-8")
        return tomllib.loads(source), source
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"Cannot read the training configuration {path}: {error}.",
            "configs/printed.toml is an example.",
        ) from None


def _data_section(given: Any, path: Path) -> DataSection:
    if isinstance(given, dict):
        given = dict(given)
        for key, cls in (("sets", LineSetSection), ("synthetic", SyntheticSection)):
            items = given.get(key, [])
            if isinstance(items, list):
                given[key] = [section_of(cls, item, f"data.{key}", path) for item in items]
    return section_of(DataSection, given, "data", path)


def section_of(cls: type[Section], given: Any, name: str, path: Path) -> Section:
    """A table of a TOML file as a dataclass.

    Args:
        given: the table; ``name`` and ``path`` say where it is.

    Raises:
        UsageError: no table, or an unknown, missing or impossible key.
    """
    if not isinstance(given, dict):
        raise UsageError(f"{path}: {name} is no table.", f"Write it as [{name}] or [[{name}]].")
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise UsageError(
            f"{path}: unknown key {unknown[0]!r} in [{name}].",
            f"Known: {', '.join(sorted(known))}.",
        )
    needed = [
        key
        for key, f in known.items()
        if f.default is MISSING and f.default_factory is MISSING and key not in given
    ]
    if needed:
        raise UsageError(f"{path}: [{name}] has no {needed[0]!r}.", "Add the missing key.")
    types = get_type_hints(cls)
    for key, value in given.items():
        if not _fits(value, types[key]) or not _is_large_enough(key, value):
            raise UsageError(
                f"{path}: {key} in [{name}] cannot be {value!r}.", f"Its type: {known[key].type}."
            )
    return cls(**{key: _frozen(value) for key, value in given.items()})


def _fits(value: Any, hint: Any) -> bool:
    """Whether a TOML value can stand for a field of this type."""
    if hint is float:
        return type(value) in (int, float)
    kind = get_origin(hint) or hint
    return type(value) is (list if kind is tuple else kind)


def _is_large_enough(key: str, value: Any) -> bool:
    return not isinstance(value, (int, float)) or value >= (key in AT_LEAST_ONE)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
