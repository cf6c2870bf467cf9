"""Our pipeline and its peers on the same whole pages, interleaved in one run.

    python benchmarks/pages.py [--set NAME] [--model NAME=FOLDER] [--json FILE] [--readme]

Pages are those of `../shared/data/pages.tar.gz`; any that a training configuration trains on are
left out. `page_scores` says what the scores are. Every engine has one thread, is timed in seconds
of CPU, and reads a page before the next engine's turn.
"""

from __future__ import annotations

import argparse
import io
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engines import EVERYWHERE, our_engines
from page_engines import PageEngine, page_peers, trocr_pages
from page_scores import Tally, tally
from PIL import Image
from report import README, ROOT, between, cpu_seconds, machine

from trocr.document import Line
from trocr.labelled_lines import LabelledLine
from trocr.training.config import LineSetSection, TrainingConfig
from trocr.training.sets import split_by_group

PAGES = Path("/tmp/data/pages/pages")
ALL = "all"
BEGIN, END = "<!-- table of benchmarks/pages.py -->\n", "<!-- end of table -->\n"


@dataclass(frozen=True)
class PageSet:
    """``name``: what its files begin with; ``archive``: the line set that was cut from it."""

    name: str
    archive: str
    title: str
    model: str
    language: str = "eng"
    ignore_case: bool = False


SETS = (
    PageSet("sroie", "sroie-train", "receipts", "printed", ignore_case=True),
    PageSet("ehri_english", "ehri_english", "typescript, English", "printed"),
    PageSet("tapuscorpus", "tapuscorpus", "typescript, French", "printed", "fra"),
    PageSet("peraire", "peraire", "notebooks, one hand, French", "handwritten", "fra"),
    PageSet(
        "testament_poilus", "testament_poilus", "soldiers' wills, French", "handwritten", "fra"
    ),
    PageSet("stanford_memorials", "stanford_memorials", "letters, English", "handwritten"),
)
# Of a set; what the README calls it.
METRICS = {"cer": "CER %", "word_f1": "word F1 %"}
METRICS_OF_ALL = {
    **METRICS,
    "cer_any_order": "CER % in any order of lines",
    "iou": "lines at IoU ≥ 0.5: precision / recall %",
    "crop": "lines by their crops: precision / recall %",
    "seconds_per_page": "seconds of CPU a page",
}


@dataclass(frozen=True)
class TruePage:
    """A page's encoded picture and its lines, in the order of its file."""

    name: str
    picture: bytes
    lines: tuple[Line, ...]

    @property
    def image(self) -> Image.Image:
        """In RGB."""
        with Image.open(io.BytesIO(self.picture)) as image:
            return image.convert("RGB")


def true_pages(folder: Path, page_set: PageSet) -> list[TruePage]:
    """All pages of a set."""
    found = []
    for path in sorted(folder.glob(f"{page_set.name}__*.json")):
        lines = json.loads(path.read_text(encoding="utf-8"))["lines"]
        outlined = (Line(line["text"], tuple(map(tuple, line["polygon"]))) for line in lines)
        found.append(TruePage(path.stem, path.with_suffix(".jpg").read_bytes(), tuple(outlined)))
    return found


def trained_on(page: str, page_set: PageSet, sections: Sequence[LineSetSection]) -> bool:
    """Whether any of the sections trains on lines of a page."""
    line = LabelledLine(f"{page.partition('__')[2]}_000.webp", b"", "")
    return any(
        split_by_group([line], section)[0]
        for section in sections
        if Path(section.path).name.removesuffix(".tar.gz") == page_set.archive
    )


def training_sections() -> list[LineSetSection]:
    """Every set of real lines that a training configuration names."""
    configs = map(TrainingConfig.read, sorted((ROOT / "configs").glob("*.toml")))
    return [section for config in configs for section in config.data.sets]


def read_interleaved(
    pages: Sequence[TruePage], engines: Sequence[PageEngine], page_set: PageSet
) -> dict[str, list[Tally]]:
    """Scores of each page by engine; after each page another engine is the first."""
    tallies: dict[str, list[Tally]] = {engine.label: [] for engine in engines}
    for turn, page in enumerate(pages):
        first = turn % len(engines)
        for engine in (*engines[first:], *engines[:first]):
            if not turn:
                engine.read(page.picture, page_set.language)  # to warm up
            began = cpu_seconds()
            lines = engine.read(page.picture, page_set.language)
            seconds = cpu_seconds() - began
            tallies[engine.label].append(
                tally(
                    page.image,
                    page.lines,
                    lines,
                    ignore_case=page_set.ignore_case,
                    seconds=seconds,
                )
            )
    return tallies


def rows_of(name: str, engines: Sequence[PageEngine], tallies: dict[str, Tally]) -> list[Any]:
    """A row for each engine on one set: its scores, and what they are made of."""
    return [
        {
            "set": name,
            "engine": engine.label,
            "model": engine.model,
            **tallies[engine.label].scores(),
            "counts": asdict(tallies[engine.label]),
        }
        for engine in engines
    ]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The README's table: lines for each set and for all, a column for each engine."""
    engines = list(dict.fromkeys(row["engine"] for row in rows))
    lines = [("pages of", "n", "", *engines), ("---",) * (3 + len(engines))]
    titles = {**{page_set.name: page_set.title for page_set in SETS}, ALL: "all of them"}
    for name, title in titles.items():
        found = {row["engine"]: row for row in rows if row["set"] == name}
        if not found:
            continue
        count = next(iter(found.values()))["counts"]["pages"]
        for metric, unit in (METRICS_OF_ALL if name == ALL else METRICS).items():
            cells = [cell(found[engine], metric) for engine in engines]
            lines.append((title, str(count), unit, *cells))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def cell(row: dict[str, Any], metric: str) -> str:
    """A score as the table shows it; precision and recall together."""
    names = [metric] if metric in row else [f"{metric}_precision", f"{metric}_recall"]
    return " / ".join(f"{row[name]:.1f}" for name in names)


def details(rows: Sequence[dict[str, Any]]) -> str:
    """All scores, a line for each set and engine; words lost are per cent of the true ones."""
    scores = [name for name, value in rows[0].items() if isinstance(value, float)]
    lines = [f"{'set':20}{'engine':18}" + " ".join(f"{name[:10]:>10}" for name in scores)]
    lines += [
        f"{row['set']:20}{row['engine']:18}" + " ".join(f"{row[name]:10.1f}" for name in scores)
        for row in rows
    ]
    return "\n".join(lines)


def measure(
    sets: Sequence[PageSet], pages: dict[str, list[TruePage]], ours: dict[str, PageEngine]
) -> Iterator[list[dict[str, Any]]]:
    """The rows of one set after the other, of those that have pages, then those of all."""
    others = [*(ours[name] for name in (EVERYWHERE,) if name in ours), *page_peers()]
    sums: dict[str, Tally] = {}
    engines: list[PageEngine] = []
    for page_set in sets:
        if not pages[page_set.name]:
            continue
        engines = [ours[page_set.model], *others]
        tallies = read_interleaved(pages[page_set.name], engines, page_set)
        totals = {label: sum(each, Tally()) for label, each in tallies.items()}
        sums = {label: sums.get(label, Tally()) + total for label, total in totals.items()}
        yield rows_of(page_set.name, engines, totals)
    yield rows_of(ALL, engines, sums)


def chosen_pages(
    sets: Sequence[PageSet], folder: Path, limit: int | None, trained: bool
) -> dict[str, list[TruePage]]:
    """By set; says how many there are. ``trained``: also those that are trained on."""
    sections = training_sections()
    chosen = {}
    for page_set in sets:
        pages = true_pages(folder, page_set)
        kept = [page for page in pages if trained or not trained_on(page.name, page_set, sections)]
        print(f"{page_set.name}: {len(kept)} of {len(pages)} pages", end="")
        print(", training pages included" if trained else " that no training has seen")
        short = limit is not None and limit < len(kept)
        chosen[page_set.name] = random.Random(0).sample(kept, limit or 0) if short else kept
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [page_set.name for page_set in SETS]
    parser.add_argument("--set", action="append", choices=names, help="only this one (repeat)")
    parser.add_argument("--pages", type=Path, default=PAGES, help="pages.tar.gz, unpacked")
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--limit", type=int, help="a fixed sample of so many pages of each set")
    parser.add_argument("--json", type=Path, help="also write everything here")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    parser.add_argument(
        "--all-pages", action="store_true", help="for debugging: training pages too"
    )
    arguments = parser.parse_args()
    if arguments.readme and arguments.all_pages:
        parser.error("scores on pages that were trained on are not for the README")
    chosen = [s for s in SETS if not arguments.set or s.name in arguments.set]
    pages = chosen_pages(chosen, arguments.pages, arguments.limit, arguments.all_pages)
    if not any(pages.values()):
        parser.error("no page is left")
    ours = our_engines(dict(model.split("=", 1) for model in arguments.model), trocr_pages)
    read = {name: [page.name for page in of_set] for name, of_set in pages.items()}
    facts = {**machine(), "trained_on": arguments.all_pages, "pages": read}
    rows: list[dict[str, Any]] = []
    for of_set in measure(chosen, pages, ours):
        rows += of_set
        print(details(of_set), flush=True)
        if arguments.json:
            arguments.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")
    print(table(rows))
    if arguments.readme:
        page = README.read_text(encoding="utf-8")
        README.write_text(between(page, BEGIN, END, table(rows)), encoding="utf-8")


if __name__ == "__main__":
    main()
