"""The benchmark of recognition, with engines that only pretend to read."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

from trocr.bundled import CARD, bundled_models
from trocr.labelled_lines import LabelledLine, write_labelled_lines

ROOT = Path(__file__).parent.parent
LINES = [LabelledLine(f"images/{i}.png", str(i).encode(), f"Line {i}") for i in range(5)]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


@pytest.fixture
def recognition() -> ModuleType:
    return importlib.import_module("recognition")


class PretendingEngine:
    """Reads what ``texts`` says for each picture and notes its turns."""

    model = "pretending"

    def __init__(
        self,
        label: str,
        texts: dict[bytes, str],
        turns: list[tuple[str, int, str]],
        confidence: float | None,
    ) -> None:
        self.label, self.texts, self.turns, self.confidence = label, texts, turns, confidence

    def read(self, pictures: list[bytes], language: str) -> list[tuple[str, float | None]]:
        self.turns.append((self.label, len(pictures), language))
        sum(range(200_000))  # work that the clock of the CPU can see
        return [(self.texts[picture], self.confidence) for picture in pictures]


def engines(turns: list[tuple[str, int, str]]) -> list[PretendingEngine]:
    right = {line.image: line.text for line in LINES}
    one_wrong = {**right, b"0": "LINE o"}
    return [
        PretendingEngine("A 1", right, turns, 0.75),
        PretendingEngine("B 2", one_wrong, turns, None),
    ]


def test_engines_take_turns(recognition: ModuleType) -> None:
    turns: list[tuple[str, int, str]] = []
    readings = recognition.read_interleaved(LINES, engines(turns), "fra", chunk=2)
    measured = turns[2:]  # behind the warm-up of each
    assert [name for name, _, _ in measured] == ["A 1", "B 2", "B 2", "A 1", "A 1", "B 2"]
    assert [count for _, count, _ in measured] == [2, 2, 2, 2, 1, 1]
    assert {language for _, _, language in turns} == {"fra"}
    assert [text for text, _ in readings["A 1"].lines] == [line.text for line in LINES]
    assert readings["A 1"].seconds > 0


@pytest.mark.parametrize(("name", "cer"), [("ehri", 100 * 4 / 30), ("receipts", 100 * 1 / 30)])
def test_receipts_alone_are_scored_without_case(
    recognition: ModuleType, name: str, cer: float
) -> None:
    [benchmark_set] = [s for s in recognition.SETS if s.name == name]
    right, wrong = recognition.measured(benchmark_set, LINES, engines([]))
    assert (right["cer"], right["exact_match"], right["word_f1"]) == (0, 100, 100)
    assert wrong["cer"] == pytest.approx(cer)
    assert (wrong["engine"], wrong["lines"], wrong["empty"]) == ("B 2", 5, 0)
    assert right["calibration_error"] == pytest.approx(0.25)
    assert wrong["calibration_error"] is None


def row(name: str, engine: str, lines: int, rate: float, **values: object) -> dict[str, object]:
    return {"set": name, "engine": engine, "lines": lines, "lines_per_second": rate, **values}


def test_table(recognition: ModuleType) -> None:
    rows = [
        row("ehri", "A 1", 100, 100.0, cer=1.234),
        row("ehri", "B 2", 100, 10.0, cer=20.0),
        row("receipts", "A 1", 3000, 300.0, word_f1=95.55),
        row("receipts", "B 2", 3000, 100.0, word_f1=88.0),
        row("blank", "A 1", 3000, 9000.0, empty=100.0),
        row("blank", "B 2", 3000, 100.0, empty=20.0),
        row("stanford", "A 1", 60, 30.0, cer=16.0),
        row("stanford", "B 2", 60, 20.0, cer=21.0),
    ]
    assert recognition.table(rows) == (
        "| lines of | n |  | A 1 | B 2 |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| receipts | 3,000 | word F1 %, case ignored | 95.5 | 88.0 |\n"
        "| typescript, English | 100 | CER % | 1.23 | 20.00 |\n"
        "| letters, 1905, English | 60 | CER % | 16.00 | 21.00 |\n"
        "| no text, reader of print | 3,000 | read as empty % | 100.0 | 20.0 |\n"
        "| all lines of print | 3,100 | lines/s, one core | 282 | 78 |\n"
        "| all lines of handwriting | 60 | lines/s, one core | 30 | 20 |\n"
    )
    page = f"before\n{recognition.BEGIN}old\n{recognition.END}after\n"
    renewed = recognition.with_table(page, rows)
    assert "old" not in renewed
    assert recognition.table(rows) in renewed
    assert renewed.startswith("before\n")
    assert renewed.endswith("after\n")
    assert recognition.with_table(renewed, rows) == renewed


def test_a_set_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    sets = importlib.import_module("sets")
    write_labelled_lines(LINES, tmp_path / "receipts")
    assert sets.set_lines("receipts", tmp_path) == LINES


def test_noise_is_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made = importlib.import_module("made")
    monkeypatch.setattr(made, "LINES", 3)
    first = list(made.noise_crops(0))
    assert first == list(made.noise_crops(0))
    assert {line.text for line in first} == {""}
    assert len({line.image for line in [*first, *made.noise_crops(1)]}) == 6


TESSERACT = """#!/usr/bin/env python3
import sys
from pathlib import Path

if sys.argv[1] == "--version":
    print("tesseract 5.0")
else:
    pictures = [Path(name).read_text() for name in Path(sys.argv[1]).read_text().split()]
    assert "crash" not in pictures
    print("\\f".join(f"{picture} in  {sys.argv[-1]}\\n" for picture in pictures))
"""


def test_a_picture_that_crashes_tesseract_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tesseract").write_text(TESSERACT)
    (tmp_path / "tesseract").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    engine = importlib.import_module("engines").tesseract_engine()
    assert engine.label == "Tesseract 5.0"
    texts = [text for text, _ in engine.read([b"a", b"b", b"crash", b"c", b"d"], "fra")]
    assert texts == ["a in fra", "b in fra", "", "c in fra", "d in fra"]


def test_the_readme_shows_what_was_measured(recognition: ModuleType) -> None:
    results = ROOT / "benchmarks/results/recognition.json"
    rows = json.loads(results.read_text(encoding="utf-8"))["rows"]
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert recognition.with_table(page, rows) == page
    assert recognition.table(rows) in page
    cards = importlib.import_module("cards")
    for model in bundled_models():
        card = (model.folder / CARD).read_text(encoding="utf-8")
        assert cards.with_scores(card, rows, model.name) == card
        assert cards.card_table(rows, model.name) in card


def test_card_table(recognition: ModuleType) -> None:
    scores = {"word_f1": 90.0, "exact_match": 50.0, "calibration_error": 0.0123}
    rows = [
        row("ehri", "trocr 1", 100, 100.0, model="printed", cer=1.234, **scores),
        row("ehri", "Peer 2", 100, 10.0, model="eng", cer=20.0),
        row("peraire", "trocr 1", 100, 100.0, model="handwritten", cer=9.0, **scores),
        row("blank", "trocr 1", 100, 100.0, model="printed", cer=0.0, **scores),
        row("blank", "Peer 2", 100, 100.0, model="eng", cer=0.0),
    ]
    head, _, *lines = importlib.import_module("cards").card_table(rows, "printed").splitlines()
    assert head.endswith("| lines/s | CER % of Peer 2 |")
    assert lines == ["| typescript, English | 100 | 1.23 | 90.0 | 50.0 | 0.012 | 100 | 20.00 |"]
