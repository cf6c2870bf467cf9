"""What two texts have to share to count as equal: the rules of the published benchmarks.

``iam`` (also ``cer``), ``sroie`` and ``str-36`` (also ``str``) are TrOCR's, arXiv 2109.10282,
section 4.1: case and punctuation count for IAM and SROIE, repeated words have to be repeated, and
scene text is filtered to lower-case letters and digits, as in arXiv 1904.01906. ``str-62`` and
``str-94`` are the larger test alphabets of PARSeq, arXiv 2207.06966. ``sroie-image`` takes the
words of a receipt as one list, as they are handed in to the challenge, arXiv 2103.10213.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce

from ..errors import UsageError

Step = tuple[str, Callable[[str], str]]


@dataclass(frozen=True)
class ScoringProtocol:
    """What is compared, and how.

    Attributes:
        normalization: what ``normalize`` does, step by step, in words.
        normalize: applied to predictions and references alike.
        by_page: words are matched over all lines of a page, not line by line.
    """

    name: str
    normalization: str
    normalize: Callable[[str], str]
    by_page: bool = False


def _kept(characters: str) -> Callable[[str], str]:
    others = re.compile(f"[^{characters}]")
    return lambda text: others.sub("", text)


_ALPHABETS: dict[str, Step | None] = {
    "cer": None,
    "iam": None,
    "sroie": None,
    "sroie-image": None,
    "str": ("only 0-9 and a-z", _kept("0-9a-z")),
    "str-36": ("only 0-9 and a-z", _kept("0-9a-z")),
    "str-62": ("only 0-9, a-z and A-Z", _kept("0-9a-zA-Z")),
    "str-94": ("only printable ASCII without space", _kept("!-~")),
}
_CASELESS = ("str", "str-36")
_UNICODE_FORMS: dict[str, Step] = {
    "NFC": ("NFC", partial(unicodedata.normalize, "NFC")),
    "NFKC": ("NFKC", partial(unicodedata.normalize, "NFKC")),
}
PROTOCOLS = tuple(_ALPHABETS)


def scoring_protocol(
    name: str,
    *,
    unicode_form: str | None = None,
    ignore_accents: bool = False,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
    collapse_spaces: bool = False,
) -> ScoringProtocol:
    """One of ``PROTOCOLS``, with what else is to be ignored, in the order of the arguments.

    Args:
        unicode_form: ``"NFC"`` or ``"NFKC"``.
        ignore_accents: combining marks are dropped after canonical decomposition.
        ignore_case: lower-case both sides; ``str-36`` always does.
        ignore_punctuation: drop Unicode's categories P; spaces left over are collapsed.
        collapse_spaces: white space at the ends is dropped, and is one space elsewhere.

    Raises:
        UsageError: no such protocol, or no such Unicode form.
    """
    if name not in _ALPHABETS:
        raise UsageError(f"Unknown protocol {name!r}.", f"Known: {', '.join(PROTOCOLS)}.")
    if unicode_form not in (None, *_UNICODE_FORMS):
        raise UsageError(f"Unknown Unicode form {unicode_form!r}.", "Known: NFC, NFKC.")
    steps: list[Step] = []
    if unicode_form:
        steps.append(_UNICODE_FORMS[unicode_form])
    if ignore_accents:
        steps.append(("no accents", _without_accents))
    if ignore_case or name in _CASELESS:
        steps.append(("lower case", str.lower))
    if alphabet := _ALPHABETS[name]:
        steps.append(alphabet)
    if ignore_punctuation:
        steps.append(("no punctuation", _without_punctuation))
    if collapse_spaces or ignore_punctuation:
        steps.append(("white space collapsed", _with_single_spaces))
    described = ", ".join(what for what, _ in steps) or "none"
    return ScoringProtocol(name, described, _all_of(steps), by_page=name == "sroie-image")


def _all_of(steps: list[Step]) -> Callable[[str], str]:
    if len(steps) <= 1:
        return steps[0][1] if steps else str
    return lambda text: reduce(lambda done, step: step[1](done), steps, text)


def _without_accents(text: str) -> str:
    letters = (c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", "".join(letters))


def _without_punctuation(text: str) -> str:
    return "".join(c for c in text if not unicodedata.category(c).startswith("P"))


def _with_single_spaces(text: str) -> str:
    return " ".join(text.split())
