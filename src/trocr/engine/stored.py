"""Which parts of a model its folder wants as 8-bit integers: ``inference.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .int8 import multiplies_int8

INFERENCE = "inference.json"
INT8_GROUPS = ("encoder", "decoder", "output_projection")  # what ``engine.prepare`` knows


def store_int8(folder: Path, groups: tuple[str, ...], measured: Mapping[str, Any]) -> None:
    """Let ``trocr.load`` of a folder use 8-bit weights from now on.

    Args:
        groups: of ``INT8_GROUPS``.
        measured: what that gained and cost; for people.
    """
    text = json.dumps({"int8": groups, "measured": measured}, indent=2, ensure_ascii=False)
    (folder / INFERENCE).write_text(text + "\n", encoding="utf-8")


def stored_int8(folder: Path) -> tuple[str, ...]:
    """The groups of ``INT8_GROUPS`` that a model's folder names; none where it says nothing.

    None either on a CPU that would be slower with them.

    Raises:
        CheckpointError: ``inference.json`` is damaged, or names a group that does not exist.
    """
    path = folder / INFERENCE
    if not path.is_file():
        return ()
    hint = "Delete it, or measure anew: `trocr optimize quantize`."
    try:
        groups = json.loads(path.read_text(encoding="utf-8"))["int8"]
        if not isinstance(groups, list):
            raise TypeError(f"int8 is {groups!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {error!r}.", hint) from None
    if unknown := [group for group in groups if group not in INT8_GROUPS]:
        known = ", ".join(INT8_GROUPS)
        raise CheckpointError(f"{path} names {unknown[0]!r}, not one of {known}.", hint)
    return tuple(dict.fromkeys(groups)) if multiplies_int8() else ()
