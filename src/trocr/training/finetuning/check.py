"""A look at labelled lines before a model learns from them: what is left out, and what is odd."""

from __future__ import annotations

import re
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...labelled_lines import LabelledLine, LineSet
from ...line_pages import counted, pages_of
from ...tokenizer import Tokenizer
from .findings import Finding, found
from .histograms import Histogram
from .labels import label_findings
from .pictures import CheckedPicture, Fault, Limits, check_pictures
from .shapes import odd_shapes
from .vocabulary import fertility, missing_characters

MAX_FERTILITY = 2.0  # tokens a character
COLUMNS = 100
SHOWN = 3  # places that are named in a terminal
LINES_A_PLACE = 3  # of it
NO_TEXT = "pictures without a text"
TOO_LONG = "labels longer than the model can write"
_DETAILS = re.compile(r"'[^']*'|\"[^\"]*\"|\S*[./]\S*\w|\d+")  # texts, names of files, numbers


@dataclass(frozen=True)
class Check:
    """What is in a set, and what of it can be learnt from.

    Attributes:
        format: how the set is stored.
        read: lines that could be read.
        pages: how many, and how they are known, in words.
        skipped: what could not be read, by reason.
        dropped: what was read and is left out, by reason.
        warnings: what is kept and should be looked at.
        histograms: of all lines that were read.
        lines: those that remain, in order.
    """

    format: str
    read: int
    pages: str
    skipped: list[Finding]
    dropped: list[Finding]
    warnings: list[Finding]
    histograms: list[Histogram]
    lines: list[LabelledLine]


def check_lines(line_set: LineSet, tokenizer: Tokenizer, limits: Limits) -> Check:
    """Look at every label and every picture of a set; nothing is an error.

    Args:
        tokenizer: the one that will write the texts.
        limits: of the model that will learn.
    """
    lines = line_set.lines
    token_ids = [tokenizer.encode(line.text, add_special_tokens=False) for line in lines]
    pictures = check_pictures(lines, token_ids, limits)
    faults = [
        _label_fault(line, ids, limits) or picture.fault
        for line, ids, picture in zip(lines, token_ids, pictures, strict=True)
    ]
    kept = [number for number, fault in enumerate(faults) if fault is None]
    remaining = [lines[number] for number in kept]
    kept_sizes = [size for number in kept if (size := pictures[number].size)]
    return Check(
        format=line_set.format,
        read=len(lines),
        pages=pages_of(lines).words,
        skipped=_skipped(line_set),
        dropped=_dropped(lines, faults),
        warnings=[
            *_vocabulary_findings(remaining, tokenizer),
            *label_findings(remaining),
            *odd_shapes(remaining, kept_sizes),
        ],
        histograms=_histograms(lines, pictures),
        lines=remaining,
    )


def _label_fault(line: LabelledLine, ids: Sequence[int], limits: Limits) -> Fault | None:
    if not line.text.strip():
        return Fault(NO_TEXT)
    if len(ids) > limits.max_label_tokens:
        return Fault(TOO_LONG, f"{len(ids)} tokens; {limits.max_label_tokens} fit")
    return None


def _skipped(line_set: LineSet) -> list[Finding]:
    """By reason; the names, numbers and texts in a reason differ from place to place."""
    groups = defaultdict(list)
    for skipped in line_set.skipped:
        groups[_DETAILS.sub("…", skipped.reason)].append(skipped)
    return [
        Finding(same[0].reason, [same[0].where])
        if len(same) == 1
        else Finding(reason, [f"{one.where}: {one.reason}" for one in same])
        for reason, same in groups.items()
    ]


def _dropped(lines: Sequence[LabelledLine], faults: Sequence[Fault | None]) -> list[Finding]:
    groups = defaultdict(list)
    for line, fault in zip(lines, faults, strict=True):
        if fault is not None:
            groups[fault.kind].append(": ".join(filter(None, (line.file, fault.detail))))
    return [Finding(kind, places) for kind, places in groups.items()]


def _vocabulary_findings(lines: Sequence[LabelledLine], tokenizer: Tokenizer) -> list[Finding]:
    texts = [line.text for line in lines]
    missing = missing_characters(tokenizer, texts)
    words = _words_with(missing, texts)
    findings = found(
        "characters that the model cannot write",
        (
            f"{c!r} {counted(count, 'time')}: {', '.join(words[c])}"
            for c, count in missing.most_common()
        ),
        "They are added with --tokenizer extend, the default.",
    )
    tokens = fertility(tokenizer, texts) if texts else 0.0
    if tokens > MAX_FERTILITY:
        what = "texts that fall into many tokens: slow to read, and hard to learn"
        place = f"{tokens:.1f} tokens a character, in the mean of all lines"
        findings += [
            Finding(
                what, [place], "They get shorter spellings with --tokenizer extend, the default."
            )
        ]
    return findings


def _words_with(characters: Iterable[str], texts: Iterable[str]) -> dict[str, list[str]]:
    """Up to ``SHOWN`` words that hold each of the characters."""
    words: dict[str, list[str]] = {character: [] for character in characters}
    for word in dict.fromkeys(word for text in texts for word in text.split()):
        for character in words.keys() & set(word):
            if len(words[character]) < SHOWN:
                words[character].append(word)
    return words


def _histograms(
    lines: Sequence[LabelledLine], pictures: Sequence[CheckedPicture]
) -> list[Histogram]:
    sizes = [picture.size for picture in pictures if picture.size is not None]
    return [
        Histogram.of("label length", "characters", [len(line.text) for line in lines]),
        Histogram.of("picture height", "pixels", [height for _, height in sizes]),
        Histogram.of("picture width", "pixels", [width for width, _ in sizes]),
        Histogram.of("width by height", "times", [w / h for w, h in sizes if h]),
    ]


def as_dict(check: Check) -> dict[str, Any]:
    """Everything but the lines themselves, for JSON; every place is named."""
    return {
        "format": check.format,
        "read": check.read,
        "kept": len(check.lines),
        "pages": check.pages,
        **{
            side: [{"count": len(finding.places), **asdict(finding)} for finding in findings]
            for side, findings in (
                ("skipped", check.skipped),
                ("dropped", check.dropped),
                ("warnings", check.warnings),
            )
        },
        "histograms": [asdict(histogram) for histogram in check.histograms],
    }


def describe(check: Check) -> str:
    """The same for a terminal, in lines of ``COLUMNS`` characters; a few places of each kind."""
    characters = len(set().union(*(line.text for line in check.lines)))
    blocks = [
        [
            f"{counted(check.read, 'line')} ({check.format}), {check.pages}",
            f"{counted(len(check.lines), 'line')} to learn from, {characters} characters",
        ],
        _section("Not read", check.skipped),
        _section("Left out", check.dropped),
        _section("To look at", check.warnings),
        [str(histogram) for histogram in check.histograms],
    ]
    return "\n".join(line for block in blocks for line in block)


def _section(title: str, findings: Sequence[Finding]) -> list[str]:
    lines = [f"{title}:"] if findings else []
    for finding in findings:
        lines += _wrapped(f"{len(finding.places):>6,}  {finding.what}", "", 8)
        for place in finding.places[:SHOWN]:
            lines += _wrapped(place, " " * 10, 10)[:LINES_A_PLACE]
        lines += _wrapped(finding.advice, " " * 8, 8)
    return lines


def _wrapped(text: str, margin: str, indent: int) -> list[str]:
    return textwrap.wrap(text, COLUMNS, initial_indent=margin, subsequent_indent=" " * indent)
