"""What ``trocr evaluate`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import console

if TYPE_CHECKING:
    from ..evaluation.analysis import Confusion
    from ..evaluation.comparison import Comparison
    from ..evaluation.report import Report

SHOWN = 5  # confusions


def as_json(data: Path, report: Report, comparison: Comparison | None) -> str:
    """One object with everything, numbers with four decimals."""
    values = {"data": str(data), **report.to_dict()}
    if comparison:
        values |= comparison.to_dict()
    return console.json_line(_rounded(values))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def as_text(data: Path, report: Report, comparison: Comparison | None) -> str:
    """A row for each score, and the most frequent confusions."""
    rows = (*_subject(data, report, comparison), *_scores(report, comparison), *_rest(report))
    return "\n".join(f"{key:<16}  {value}" for key, value in rows)


def _subject(
    data: Path, report: Report, comparison: Comparison | None
) -> Iterator[tuple[str, object]]:
    yield "data", data
    yield "model", report.model
    if comparison:
        yield "against", comparison.against.model
    yield "protocol", report.protocol
    yield "normalization", report.normalization
    yield "n", report.n
    yield "unreadable", report.unreadable
    yield "skipped", report.skipped


def _scores(report: Report, comparison: Comparison | None) -> Iterator[tuple[str, str]]:
    for name, (low, high) in report.intervals.items():
        row = f"{getattr(report, name):.2f}  ({low:.2f} to {high:.2f})"
        if comparison:
            one = comparison.differences[name]
            row += f"  against {getattr(comparison.against, name):.2f}: {one.difference:+.2f}"
            row += f"  ({one.low:+.2f} to {one.high:+.2f}), p = {one.p:.4f}"
        yield name, row
    drawn = report.resampling
    what = f"{drawn.level} %, bootstrap of {drawn.words}"
    yield "intervals", f"{what}, {drawn.draws} draws, seed {drawn.seed}"
    if comparison:
        yield "p", comparison.test
        gains = [line.gain for line in comparison.changed]
        better, worse = sum(g > 0 for g in gains), sum(g < 0 for g in gains)
        yield "lines changed", f"{len(gains)}, {better} better, {worse} worse"


def _rest(report: Report) -> Iterator[tuple[str, str]]:
    if report.ece is not None and report.aurc is not None and report.cer_kept is not None:
        yield "ece", f"{report.ece:.4f}"
        yield "aurc", f"{report.aurc:.2f}"
        yield "cer_kept", ", ".join(f"{kept} %: {cer:.2f}" for kept, cer in report.cer_kept.items())
    if report.confusions:
        yield "confusions", ", ".join(map(_in_words, report.confusions[:SHOWN]))
    if report.lines_per_second is not None:
        yield "lines_per_second", f"{report.lines_per_second:.2f}"
    for name in ("decoding", "device", "dtype"):
        if getattr(report, name) is not None:
            yield name, getattr(report, name)


def _in_words(one: Confusion) -> str:
    if not one.prediction:
        return f"{one.label!r} lost {one.count}"
    if not one.label:
        return f"{one.prediction!r} too much {one.count}"
    return f"{one.label!r} as {one.prediction!r} {one.count}"
