"""The one configuration file that makes a model: ``trocr train CONFIG``."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ..errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

Section = TypeVar("Section")


@dataclass(frozen=True)
class DataSection:
    """``train``: labelled sets, relative to the configuration file.

    A line's group (page, receipt) is its file name up to the last ``_``; groups, never lines, go
    to validation. ``same_group`` joins groups that are the same picture; ``exclude`` drops some.
    ``blank_share`` of the training lines is swapped for crops without text, labelled empty.
    """

    train: tuple[str, ...]
    validation_fraction: float = 0.1
    same_group: tuple[tuple[str, ...], ...] = ()
    exclude: tuple[str, ...] = ()
    blank_share: float = 0.03


@dataclass(frozen=True)
class ModelSection:
    """``characters`` of the vocabulary; ``encoder`` and ``decoder`` override config defaults."""

    characters: str
    encoder: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimizationSection:
    """Learning rate: linear warm-up, a plateau, and a linear cool-down to zero at the end."""

    max_steps: int
    tokens_per_batch: int = 2304
    learning_rate: float = 1e-3
    warmup_steps: int = 400
    cooldown_fraction: float = 0.4
    weight_decay: float = 0.02
    max_grad_norm: float = 1.0
    ctc_weight: float = 0.5
    label_smoothing: float = 0.1
    decoder_token_noise: float = 0.1
    ema_decay: float = 0.999
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
        try:
            source = path.read_text(encoding="utf-8")
            values = tomllib.loads(source)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise UsageError(
                f"Cannot read the training configuration {path}: {error}.",
                "configs/printed.toml is an example.",
            ) from None
        return cls(
            name=str(values.get("name", path.stem)),
            data=_section(DataSection, values, "data", path),
            model=_section(ModelSection, values, "model", path),
            optimization=_section(OptimizationSection, values, "optimization", path),
            folder=path.parent,
            source=source,
        )


def _section(cls: type[Section], values: dict[str, Any], name: str, path: Path) -> Section:
    given = values.get(name, {})
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - known)
    if unknown:
        raise UsageError(
            f"{path}: unknown key {unknown[0]!r} in [{name}].",
            f"Known: {', '.join(sorted(known))}.",
        )
    try:
        return cls(**{key: _frozen(value) for key, value in given.items()})
    except TypeError as error:
        raise UsageError(f"{path}: [{name}] {error}.", "Add the missing key.") from None


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
