"""What ``trocr evaluate`` measured, for the card of a model."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..bundled import bundled_folder
from ..errors import DataError, UsageError

_PERCENTAGES = ("cer", "wer", "exact_match", "f1")


@dataclass(frozen=True)
class Scores:
    """Of one model on one labelled set.

    Attributes:
        data: the name of the set, without its folder.
        n: lines.
        values: percentages ``cer``, ``wer``, ``exact_match`` and ``f1``.
        cer_interval: of 95 %, where it was measured.
    """

    data: str
    n: int
    protocol: str
    normalization: str
    values: dict[str, float] = field(default_factory=dict)
    cer_interval: tuple[float, float] | None = None


def read_scores(path: Path, folder: Path) -> Scores:
    """The JSON that ``trocr evaluate --format json`` prints.

    Args:
        path: of a file with one such object.
        folder: of the model that the scores have to be of.

    Raises:
        DataError: no such object.
        UsageError: they are of another model.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        scores = _scores(said)
        model = str(said["model"])
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path} holds no scores: {type(error).__name__}: {error}.",
            "Make it with: trocr evaluate DATA --model DIR --format json > FILE",
        ) from None
    if not _is_of(model, folder):
        raise UsageError(
            f"{path} holds the scores of {model}, not of {folder}.",
            f"Evaluate this one: trocr evaluate DATA --model {folder} --format json",
        )
    return scores


def _scores(said: dict[str, Any]) -> Scores:
    interval = said.get("intervals", {}).get("cer")
    return Scores(
        data=_set_name(str(said["data"])),
        n=int(said["n"]),
        protocol=str(said["protocol"]),
        normalization=str(said["normalization"]),
        values={name: float(said[name]) for name in _PERCENTAGES},
        cer_interval=interval and (float(interval[0]), float(interval[1])),
    )


def _set_name(path: str) -> str:
    """A published card says nothing about the folders of whoever publishes."""
    name = Path(path).resolve().name
    for ending in (".gz", ".tar", ".zip", ".parquet"):
        name = name.removesuffix(ending)
    return name


def _is_of(model: str, folder: Path) -> bool:
    """Whether the name a model was evaluated by is that of a folder.

    A relative path that leads nowhere from here is compared by its last parts.
    """
    named, folder = bundled_folder(model) or Path(model), folder.resolve()
    if named.exists():
        return named.resolve() == folder
    parts = named.parts
    return not named.is_absolute() and folder.parts[-len(parts) :] == parts
