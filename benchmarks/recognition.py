"""Our models and their peers on the same line crops, interleaved in one run.

    python benchmarks/recognition.py [--set NAME] [--model NAME=FOLDER] [--json FILE] [--readme]

Sets are written once below --sets, each a folder that `trocr evaluate` reads too; a set that is
already there is taken as it is. Every engine has one thread and is timed in seconds of CPU.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cards import write_cards
from engines import EVERYWHERE, Engine, Line, our_engines, peers, trocr_engine
from report import README, between, cpu_seconds, machine
from sets import BLANK, SETS, BenchmarkSet, set_lines

from trocr.bundled import DEFAULT_MODEL
from trocr.evaluation.protocols import ScoringProtocol, scoring_protocol
from trocr.evaluation.runner import scores
from trocr.labelled_lines import LabelledLine
from trocr.metrics import expected_calibration_error

CHUNK = 100  # lines that an engine reads before the next one's turn
WARM_UP_LINES = 4
METRICS = {
    "cer": ("CER %", 2),
    "word_f1": ("word F1 %, case ignored", 1),
    "empty": ("read as empty %", 1),
}
BEGIN, END = "<!-- table of benchmarks/recognition.py -->\n", "<!-- end of table -->\n"


@dataclass
class Reading:
    """What an engine read of a set, and the CPU seconds that it took."""

    lines: list[Line]
    seconds: float = 0.0


def read_interleaved(
    lines: Sequence[LabelledLine], engines: Sequence[Engine], language: str, chunk: int = CHUNK
) -> dict[str, Reading]:
    """Texts and times by engine; chunks go round the engines, which take turns at being first."""
    readings = {engine.label: Reading([]) for engine in engines}
    for engine in engines:
        engine.read([line.image for line in lines[:WARM_UP_LINES]], language)
    for turn, start in enumerate(range(0, len(lines), chunk)):
        pictures = [line.image for line in lines[start : start + chunk]]
        first = turn % len(engines)
        for engine in (*engines[first:], *engines[:first]):
            began = cpu_seconds()
            readings[engine.label].lines += engine.read(pictures, language)
            readings[engine.label].seconds += cpu_seconds() - began
    return readings


def measured(
    benchmark_set: BenchmarkSet, lines: Sequence[LabelledLine], engines: Sequence[Engine]
) -> list[dict[str, Any]]:
    """A row for each engine on one set: percentages, and lines a second of CPU."""
    readings = read_interleaved(lines, engines, benchmark_set.language)
    references = [line.text for line in lines]
    protocol = scoring_protocol("sroie", ignore_case=benchmark_set.ignore_case)
    rows = []
    for engine in engines:
        reading = readings[engine.label]
        texts = [text for text, _ in reading.lines]
        found = scores(texts, references, protocol)
        row = {
            "set": benchmark_set.name,
            "lines": len(lines),
            "engine": engine.label,
            "model": engine.model,
            "cer": found["cer"],
            "wer": found["wer"],
            "word_f1": found["f1"],
            "exact_match": found["exact_match"],
            "empty": 100 * texts.count("") / len(texts),
            "calibration_error": calibration_error(reading.lines, references, protocol),
            "lines_per_second": len(lines) / reading.seconds,
        }
        rows.append(row)
    return rows


def calibration_error(
    lines: Sequence[Line], references: Sequence[str], protocol: ScoringProtocol
) -> float | None:
    """Expected calibration error of line confidences, 0-1; None for an engine without them."""
    confidences = [confidence for _, confidence in lines if confidence is not None]
    if len(confidences) < len(lines):
        return None
    right = [
        protocol.normalize(text) == protocol.normalize(reference)
        for (text, _), reference in zip(lines, references, strict=True)
    ]
    return expected_calibration_error(confidences, right)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The README's table: a line for each set, a column for each engine, and their speeds."""
    engines = list(dict.fromkeys(row["engine"] for row in rows))
    lines = [("lines of", "n", "", *engines), ("---",) * (3 + len(engines))]
    for benchmark_set in SETS:
        found = {row["engine"]: row for row in rows if row["set"] == benchmark_set.name}
        if found:
            unit, digits = METRICS[benchmark_set.metric]
            cells = [f"{found[engine][benchmark_set.metric]:.{digits}f}" for engine in engines]
            count = found[engines[0]]["lines"]
            lines.append((benchmark_set.title, f"{count:,}", unit, *cells))
    for kind, model in (("print", "printed"), ("handwriting", "handwritten")):
        names = {each.name for each in SETS if each.model == model}.difference(BLANK)
        own = [row for row in rows if row["set"] in names]
        if own:
            speeds = [_speed(own, engine) for engine in engines]
            cells = [f"{speed:.0f}" for _, speed in speeds]
            lines.append((f"all lines of {kind}", f"{speeds[0][0]:,}", "lines/s, one core", *cells))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _speed(rows: Sequence[dict[str, Any]], engine: str) -> tuple[int, float]:
    """Lines, and how many of them the engine reads in a second."""
    own = [row for row in rows if row["engine"] == engine]
    count = sum(row["lines"] for row in own)
    return count, count / sum(row["lines"] / row["lines_per_second"] for row in own)


def with_table(page: str, rows: Sequence[dict[str, Any]]) -> str:
    """A page with what is between its two marks replaced by the table."""
    return between(page, BEGIN, END, table(rows))


def measure(
    sets: Sequence[BenchmarkSet], folder: Path, ours: dict[str, Engine], limit: int | None
) -> Iterator[list[dict[str, Any]]]:
    """The rows of one set after the other; each is read by our model for it and all others."""
    others = [*(ours[name] for name in (EVERYWHERE,) if name in ours), *peers()]
    for benchmark_set in sets:
        lines = set_lines(benchmark_set.name, folder)
        if limit is not None and limit < len(lines):
            lines = random.Random(0).sample(lines, limit)
        own = ours.get(benchmark_set.model, ours[DEFAULT_MODEL])
        yield measured(benchmark_set, lines, [own, *others])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [benchmark_set.name for benchmark_set in SETS]
    parser.add_argument("--set", action="append", choices=names, help="only this one (repeat)")
    parser.add_argument("--sets", type=Path, default=Path(tempfile.gettempdir()) / "bench_sets")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--limit", type=int, help="a fixed sample of so many lines of each set")
    parser.add_argument("--json", type=Path, help="also write everything here")
    parser.add_argument("--readme", action="store_true", help="put tables into README and cards")
    arguments = parser.parse_args()
    chosen = [s for s in SETS if not arguments.set or s.name in arguments.set]
    ours = our_engines(dict(model.split("=", 1) for model in arguments.model), trocr_engine)
    facts = machine()
    rows: list[dict[str, Any]] = []
    for of_set in measure(chosen, arguments.sets, ours, arguments.limit):
        rows += of_set
        print(table(of_set), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")
    print(table(rows))
    if arguments.readme:
        page = README.read_text(encoding="utf-8")
        README.write_text(with_table(page, rows), encoding="utf-8")
        write_cards(rows)


if __name__ == "__main__":
    main()
