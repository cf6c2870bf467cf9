"""The tables of scores in the cards of the bundled models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from report import between
from sets import BLANK, SETS

from trocr.bundled import CARD, bundled_models

BEGIN, END = "<!-- scores of benchmarks/recognition.py -->\n", "<!-- end of scores -->\n"
COLUMNS = {
    "CER %": ("cer", 2),
    "word F1 %": ("word_f1", 1),
    "exact lines %": ("exact_match", 1),
    "ECE": ("calibration_error", 3),
    "lines/s": ("lines_per_second", 0),
}


def card_table(rows: Sequence[dict[str, Any]], model: str) -> str:
    """A line for each set with text that the model read, with the CER of its peers beside it."""
    engines = dict.fromkeys(row["engine"] for row in rows)
    peers = [engine for engine in engines if not engine.startswith("trocr ")]
    head = ("lines of", "n", *COLUMNS, *(f"CER % of {peer}" for peer in peers))
    lines = [head, ("---",) * len(head)]
    for benchmark_set in SETS:
        of_set = [row for row in rows if row["set"] == benchmark_set.name]
        own = next((row for row in of_set if row["model"] == model), None)
        if own is None or benchmark_set.name in BLANK:
            continue
        scores = [f"{own[key]:.{digits}f}" for key, digits in COLUMNS.values()]
        others = {row["engine"]: f"{row['cer']:.2f}" for row in of_set}
        beside = [others[peer] for peer in peers]
        lines.append((benchmark_set.title, f"{own['lines']:,}", *scores, *beside))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def with_scores(page: str, rows: Sequence[dict[str, Any]], model: str) -> str:
    """A card with what is between its two marks replaced by its table."""
    return between(page, BEGIN, END, card_table(rows, model))


def write_cards(rows: Sequence[dict[str, Any]]) -> None:
    """The card of every bundled model, with its scores."""
    for model in bundled_models():
        card = model.folder / CARD
        page = card.read_text(encoding="utf-8")
        card.write_text(with_scores(page, rows, model.name), encoding="utf-8")
