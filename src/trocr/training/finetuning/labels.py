"""What is suspicious about the labels of a set, by themselves."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from ...labelled_lines import LabelledLine
from .findings import Finding, found, quoted

MIN_LINES = 20
MOSTLY = 0.8  # share of the labels that is called nearly all
REPEATED_LENGTH = 12  # characters; shorter texts recur: TOTAL, 12.00, page numbers
REPEATED_LINES = 10
REPEATED_SHARE = 0.03
_JOINERS = "\u200c\u200d"  # part of how some scripts are written
_ALIKE = {"LATIN", "GREEK", "CYRILLIC"}  # scripts with letters of the same shape


def label_findings(lines: Sequence[LabelledLine]) -> list[Finding]:
    """Everything that a look at the labels brings up."""
    return [
        *_too_few(lines),
        *_wrongly_decoded(lines),
        *_invisible(lines),
        *_decomposed(lines),
        *_mixed_scripts(lines),
        *_capitals(lines),
        *_repeated(lines),
        *_contradicting(lines),
    ]


def _too_few(lines: Sequence[LabelledLine]) -> Iterator[Finding]:
    if len(lines) < MIN_LINES:
        advice = "Some fifty lines are a good beginning, and every doubling helps."
        yield Finding(f"fewer than {MIN_LINES} lines", [f"{len(lines)} lines"], advice)


def _wrongly_decoded(lines: Sequence[LabelledLine]) -> list[Finding]:
    return found(
        "labels that look decoded with a wrong encoding",
        (quoted(line) for line in lines if "\ufffd" in line.text or _is_mojibake(line.text)),
        "Save the labels as UTF-8.",
    )


def _is_mojibake(text: str) -> bool:
    """Whether UTF-8 was read as Windows-1252: ``dÃ©jÃ ``, ``lâ€™eau``."""
    if re.search(r"[ÂÃ][\x80-\xbf€‰]|â€", text):
        return True
    return any(map(_is_utf8_as_1252, re.findall(r"[^\x00-\x7f]{4,}", text)))


def _is_utf8_as_1252(run: str) -> bool:
    try:
        return bool(run.encode("cp1252").decode("utf-8"))
    except UnicodeError:
        return False


def _invisible(lines: Sequence[LabelledLine]) -> list[Finding]:
    return found(
        "labels with characters that nobody sees",
        (
            f"{quoted(line)}: " + ", ".join(f"U+{ord(character):04X}" for character in unseen)
            for line in lines
            if (unseen := [character for character in line.text if _is_invisible(character)])
        ),
        "Remove them: control characters, soft hyphens, byte order marks and the like.",
    )


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf") and character not in _JOINERS


def _decomposed(lines: Sequence[LabelledLine]) -> list[Finding]:
    return found(
        "labels in decomposed form (letter and accent apart)",
        (quoted(line) for line in lines if not unicodedata.is_normalized("NFC", line.text)),
        "Compose them (Unicode NFC), so that every letter has one spelling.",
    )


def _mixed_scripts(lines: Sequence[LabelledLine]) -> list[Finding]:
    mixed = [
        f"{line.file} {word!r}"
        for line in lines
        if not line.text.isascii()
        for word in re.findall(r"\w{2,}", line.text)
        if not word.isascii() and len(set(map(_script, word)) & _ALIKE) > 1
    ]
    advice = "Probably letters of one script typed for those of another that look the same."
    return found("words with letters of two scripts", mixed, advice)


def _script(character: str) -> str:
    """``LATIN``, ``GREEK``; empty for what is no letter."""
    return unicodedata.name(character, "").partition(" ")[0] if character.isalpha() else ""


def _capitals(lines: Sequence[LabelledLine]) -> list[Finding]:
    cased = [line for line in lines if sum(map(_has_case, line.text)) > 1]
    capital = [line for line in cased if line.text == line.text.upper()]
    if len(lines) < MIN_LINES or len(capital) < MOSTLY * max(len(cased), MIN_LINES):
        return []
    return found(
        "labels in capitals, nearly all there are",
        map(quoted, capital),
        "If the pictures are not, the model will learn to write capitals for small letters.",
    )


def _has_case(character: str) -> bool:
    return character.lower() != character.upper()


def _repeated(lines: Sequence[LabelledLine]) -> list[Finding]:
    counts = Counter(line.text for line in lines if len(line.text) >= REPEATED_LENGTH)
    least = max(REPEATED_LINES, REPEATED_SHARE * len(lines))
    return found(
        "texts on suspiciously many lines",
        (f"{text!r} on {count:,} lines" for text, count in counts.most_common() if count >= least),
        "Look whether the pictures differ.",
    )


def _contradicting(lines: Sequence[LabelledLine]) -> list[Finding]:
    """Equal pictures with different labels, and equal pictures with equal ones."""
    same = defaultdict(list)
    for line in lines:
        same[line.image].append(line)
    groups = [group for group in same.values() if len(group) > 1]
    disputed = [group for group in groups if len({line.text for line in group}) > 1]
    agreed = [group for group in groups if len({line.text for line in group}) == 1]
    return [
        *found(
            "pictures that occur with different labels",
            (" and ".join(map(quoted, group[:3])) for group in disputed),
            "At most one of the labels is right: correct the set.",
        ),
        *found(
            "pictures that occur several times",
            (" = ".join(line.file for line in group[:3]) for group in agreed),
            "They count as often as they occur; both are kept on one side of the split.",
        ),
    ]
