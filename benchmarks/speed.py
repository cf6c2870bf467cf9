"""How much faster than its peers, interleaved in one run, with the same texts.

    python benchmarks/speed.py [--only SECTION] [--json FILE] [--docs]

Sections that are not measured keep their rows in the file; so they can be measured one by one,
each with the machine to itself.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from interleaved import Row, differing, table
from report import ROOT, between, machine
from speed_sections import SECTIONS, Options

from trocr.bench.machine import threads

PAGE = ROOT / "docs" / "speed.md"
BEGIN, END = "<!-- table of benchmarks/speed.py -->\n", "<!-- end of table -->\n"
Results = dict[str, dict[str, Any]]  # by section: the machine, and its rows


def measured(name: str, options: Options) -> list[Row]:
    """The rows of a section, with the threads asked for."""
    with threads(options.threads):
        return list(SECTIONS[name](options))


def stored(file: Path | None) -> Results:
    """What earlier runs wrote."""
    if file is None or not file.exists():
        return {}
    sections: Results = json.loads(file.read_text(encoding="utf-8"))["sections"]
    return sections


def table_of(results: Results) -> str:
    """All rows, in the order of ``SECTIONS``."""
    found = [results[name]["rows"] for name in SECTIONS if name in results]
    return table([Row(**row) for rows in found for row in rows])


def with_table(page: str, results: Results) -> str:
    """A page with what is between its two marks replaced by the table."""
    return between(page, BEGIN, END, table_of(results))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    scratch = Path(tempfile.gettempdir())
    parser.add_argument("--only", action="append", choices=SECTIONS, help="this section (repeat)")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median counts")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: all cores")
    parser.add_argument("--limit", type=int, default=64, help="a fixed sample of so many lines")
    parser.add_argument("--batch-size", type=int, action="append", help="of the published shapes")
    parser.add_argument("--sets", type=Path, default=scratch / "bench_sets")
    parser.add_argument("--shapes", type=Path, default=scratch / "bench_shapes")
    parser.add_argument("--json", type=Path, help="keep everything here, with the other sections")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/speed.md")
    given = parser.parse_args()
    options = Options(
        given.rounds,
        given.threads,
        given.limit,
        given.sets,
        given.shapes,
        tuple(given.batch_size or Options.batch_sizes),
    )
    results = stored(given.json)
    rows: list[Row] = []
    for name in given.only or SECTIONS:
        of_section = measured(name, options)
        rows += of_section
        facts = {**machine(options.threads), "rounds": options.rounds, "lines": options.limit}
        if of_section:
            results[name] = {**facts, "rows": [asdict(row) for row in of_section]}
        print(f"{name}\n\n{table(of_section)}", flush=True)
        if given.json:
            text = json.dumps({"sections": results}, indent=2)
            given.json.write_text(text + "\n", encoding="utf-8")
    if given.docs:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(with_table(page, results), encoding="utf-8")
    if wrong := differing(rows):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
