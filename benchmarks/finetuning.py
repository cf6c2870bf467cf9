"""What `trocr finetune` gains: on four hands, on writers never seen, and in a new alphabet.

    python benchmarks/finetuning.py [--only hands] [--work FOLDER] [--json FILE] [--docs]

Every run is the command itself, MINUTES of training at most with one thread, scored on pages that
neither it nor the bundled model was trained on. Runs that are in --work already are not repeated.
The alphabet needs the Debian packages fonts-* of `alphabet.py` and fortunes, fortunes-ru.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from alphabet import cyrillic_lines
from made import worn_lines
from report import ROOT, between, machine
from sets import set_lines

import trocr
from trocr.labelled_lines import LABELS, LabelledLine, write_labelled_lines
from trocr.metrics import line_counts, scores_of
from trocr.training.config import TrainingConfig
from trocr.training.sets import group_of, read_split

HANDS = ("peraire", "cremma19", "testament", "stanford")
SIZES = (50, 200, None)
MINUTES = 5
LEAST_OF_WRITER = 18  # lines of a will
SHARE_OF_WRITER = 0.6  # the rest is read
DOCS = ROOT / "docs" / "finetuning.md"
BEGIN, END = "<!-- tables of benchmarks/finetuning.py -->\n", "<!-- end of tables -->\n"
Row = dict[str, Any]


def hands(work: Path) -> Iterator[Row]:
    """The bundled model knows other pages of these hands, and the very lines that it is given."""
    yield from learnt_hands("hands", "handwritten", HANDS, work)


def print_reader(work: Path) -> Iterator[Row]:
    """The model of print, which has never seen handwriting, learns a hand."""
    yield from learnt_hands("print_reader", "printed", ("peraire",), work)


def learnt_hands(table_name: str, start: str, names: Sequence[str], work: Path) -> Iterator[Row]:
    """A run for each hand and number of lines, scored on its validation pages."""
    config = TrainingConfig.read(ROOT / "configs/handwritten.toml")
    sections = {section.name: section for section in config.data.sets}
    for name in names:
        section = sections[name]
        train, held_out = read_split(section, config.folder)
        pages: dict[str, list[LabelledLine]] = defaultdict(list)
        for line in train:
            pages[group_of(line.file, section.group_pattern)].append(line)
        shuffled = sorted(pages, key=lambda page: hashlib.sha256(page.encode()).digest())
        lines = [line for page in shuffled for line in pages[page]]
        for size in SIZES:
            chosen = lines[:size]
            model, minutes = tuned(start, [chosen], work / f"{start}-{name}-{len(chosen)}")
            before, after = (errors(one, held_out) for one in (start, model))
            yield row(table_name, name, len(chosen), minutes, before, after)


def writers(work: Path) -> Iterator[Row]:
    """Wills whose writers the bundled model has never seen, one run each."""
    wills: dict[str, list[LabelledLine]] = defaultdict(list)
    for line in set_lines("testament", work / "sets"):
        found = re.search(r"will_(\w+?)-", line.file)
        assert found
        wills[found.group(1)].append(line)
    for name, lines in wills.items():
        if len(lines) >= LEAST_OF_WRITER:
            cut = int(SHARE_OF_WRITER * len(lines))
            model, minutes = tuned("handwritten", [lines[:cut]], work / f"will-{name}")
            before, after = (errors(one, lines[cut:]) for one in ("handwritten", model))
            yield row("writers", name, cut, minutes, before, after)


def alphabet(work: Path) -> Iterator[Row]:
    """Russian, which the bundled model has no letters for, and what becomes of the rest.

    With English beside it, and with lines of all kinds that the model began with.
    """
    config = TrainingConfig.read(ROOT / "configs/printed.toml")
    (section,) = (one for one in config.data.synthetic if one.name == "rendered-print")
    russian = cyrillic_lines("ru", 1500, "train")
    beside = {
        "with 500 English lines": cyrillic_lines("en", 500, "train"),
        "with 750 lines of all kinds": list(islice(worn_lines(section, config, "train"), 750)),
    }
    for name, old in beside.items():
        run = work / f"russian {name}".replace(" ", "-")
        yield from _alphabet_rows(name, [russian, old], run, work / "sets")


def _alphabet_rows(
    beside: str, learnt: Sequence[Sequence[LabelledLine]], run: Path, sets: Path
) -> Iterator[Row]:
    model, minutes = tuned("printed", learnt, run)
    tests = {
        "Russian, rendered, unseen faces": cyrillic_lines("ru", 300, "test"),
        "English, the same faces": cyrillic_lines("en", 300, "test"),
        "Latin script, rendered-print": set_lines("rendered-print", sets),
        "typescript, ehri": set_lines("ehri", sets),
    }
    for name, lines in tests.items():
        before, after = (errors(one, lines) for one in ("printed", model))
        yield row("alphabet", f"{name}; {beside}", sum(map(len, learnt)), minutes, before, after)


SECTIONS = {
    "hands": hands,
    "writers": writers,
    "print_reader": print_reader,
    "alphabet": alphabet,
}


def tuned(start: str, sets: Sequence[Sequence[LabelledLine]], run: Path) -> tuple[str, float]:
    """The folder of a model that learnt some sets, and the minutes that it took."""
    took = run / "minutes.txt"
    if not took.exists():
        data = [run.with_name(f"{run.name}-data{number}") for number in range(len(sets))]
        for folder, lines in zip(data, sets, strict=True):
            if not (folder / LABELS).exists():
                write_labelled_lines(lines, folder)
        command = [
            sys.executable,
            "-m",
            "trocr",
            "finetune",
            start,
            *map(str, data),
            "-o",
            str(run),
        ]
        began = time.monotonic()
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        took.write_text(f"{(time.monotonic() - began) / 60:.2f}\n")
    return str(run / "model"), float(took.read_text())


def errors(model: str, lines: Sequence[LabelledLine]) -> float:
    """CER in per cent."""
    read = trocr.load(model).read_lines([line.image for line in lines])
    counts = line_counts([one.text for one in read], [line.text for line in lines])
    return float(scores_of(counts.sum(0))["cer"])


def row(section: str, name: str, lines: int, minutes: float, before: float, after: float) -> Row:
    """One line of a table, printed as it is measured."""
    found = {
        "section": section,
        "name": name,
        "lines": lines,
        "minutes": minutes,
        "before": round(before, 2),
        "after": round(after, 2),
    }
    print(json.dumps(found), flush=True)
    return found


def table(rows: Sequence[Row]) -> str:
    """A table for each section."""
    parts = []
    for section in SECTIONS:
        own = [one for one in rows if one["section"] == section]
        if own:
            parts += [
                f"| {section} | lines | minutes | CER before | after |",
                "|---|---|---|---|---|",
            ]
            parts += [
                f"| {one['name']} | {one['lines']} | {one['minutes']:.1f} | {one['before']:.2f} "
                f"| {one['after']:.2f} |"
                for one in own
            ]
            parts.append("")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(SECTIONS), help="one section")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "finetuning")
    parser.add_argument("--json", type=Path, help="rows of other sections in it are kept")
    parser.add_argument("--docs", action="store_true", help="write the tables into docs/")
    options = parser.parse_args()
    wanted = [options.only] if options.only else list(SECTIONS)
    rows = [found for section in wanted for found in SECTIONS[section](options.work)]
    if options.json:
        if options.json.exists():
            old = json.loads(options.json.read_text(encoding="utf-8"))["rows"]
            rows = [one for one in old if one["section"] not in wanted] + rows
        found = {**machine(), "rows": rows}
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if options.docs:
        page = DOCS.read_text(encoding="utf-8")
        DOCS.write_text(between(page, BEGIN, END, table(rows)), encoding="utf-8")


if __name__ == "__main__":
    main()
