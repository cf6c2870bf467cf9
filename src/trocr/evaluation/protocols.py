"""What two texts have to share to count as equal: the rules of the published benchmarks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import UsageError


@dataclass(frozen=True)
class ScoringProtocol:
    """``normalize`` is applied to predictions and references alike; ``normalization`` names it."""

    name: str
    normalization: str
    normalize: Callable[[str], str]


def _alphanumeric(text: str) -> str:
    return re.sub(r"[^0-9a-z]", "", text.lower())


# cer and sroie: IAM's and SROIE's rules in arXiv 2109.10282, section 4.1; str: scene text as
# compared in arXiv 1904.01906, section 4.1.
_NORMALIZATIONS: dict[str, tuple[str, Callable[[str], str]]] = {
    "cer": ("none", str),
    "sroie": ("none", str),
    "str": ("lower case, only 0-9 and a-z", _alphanumeric),
}


def scoring_protocol(name: str, *, ignore_case: bool = False) -> ScoringProtocol:
    """The protocol ``cer``, ``sroie`` or ``str``.

    Args:
        ignore_case: lower-case both sides; ``str`` always does.

    Raises:
        UsageError: no such protocol.
    """
    if name not in _NORMALIZATIONS:
        raise UsageError(f"Unknown protocol {name!r}.", f"Known: {', '.join(_NORMALIZATIONS)}.")
    if ignore_case and name != "str":
        return ScoringProtocol(name, "lower case", str.lower)
    return ScoringProtocol(name, *_NORMALIZATIONS[name])
