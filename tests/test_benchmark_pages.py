"""The benchmark of whole pages, with engines that only pretend to read."""

from __future__ import annotations

import importlib
import io
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from trocr.document import Line, rectangle

pytest.importorskip("shapely")

ROOT = Path(__file__).parent.parent
TRUTH = (
    Line("TOTAL", rectangle((10, 10, 90, 30))),
    Line("9.50", rectangle((150, 10, 190, 30))),
    Line("Thank you", rectangle((10, 50, 190, 70))),
)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


@pytest.fixture
def scores() -> ModuleType:
    return importlib.import_module("page_scores")


@pytest.fixture
def benchmark() -> ModuleType:
    """``benchmarks/pages.py``; the tests have a module of that name too."""
    spec = importlib.util.spec_from_file_location("benchmark_pages", ROOT / "benchmarks/pages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def image() -> Image.Image:
    return Image.new("RGB", (200, 100), "white")


def page(benchmark: ModuleType, name: str = "sroie__1") -> object:
    picture = io.BytesIO()
    image().save(picture, "png")
    return benchmark.TruePage(name, picture.getvalue(), TRUTH)


def test_parts_of_a_row_may_be_joined(scores: ModuleType) -> None:
    read = [
        Line("TOTAL 9.50", rectangle((10, 10, 190, 30))),
        Line("Thank you", rectangle((10, 50, 190, 70))),
    ]
    found = scores.tally(image(), TRUTH, read)
    assert (found.edits, found.edits_any_order, found.characters) == (0, 0, 20)
    assert (found.words_right, found.words, found.words_read) == (4, 4, 4)
    assert found.scores()["cer"] == 0
    assert found.scores()["word_f1"] == 100
    # The joined row overlaps each of its parts by less than half.
    assert (found.lines.truth_matched, found.lines.truth_in_line) == (1, 3)


def test_another_order_costs_only_the_plain_error_rate(scores: ModuleType) -> None:
    found = scores.tally(image(), TRUTH, TRUTH[::-1]).scores()
    assert found["cer"] > 50
    assert found["cer_any_order"] == 0
    assert found["word_f1"] == 100


def test_lost_words_have_a_cause(scores: ModuleType) -> None:
    read = [
        Line("TOTAI", rectangle((10, 10, 90, 30))),
        Line("a stamp", rectangle((10, 80, 60, 95))),
    ]
    found = scores.tally(image(), TRUTH, read)
    assert (found.misread, found.not_found, found.merged, found.extra) == (1, 3, 0, 2)
    assert found.edits_any_order == 1 + len("9.50") + len("Thank you") + len("a stamp")
    assert found.words_right == 0


def test_words_of_rows_read_as_one_are_merged(scores: ModuleType) -> None:
    read = [Line("TOTAL Thxnk", rectangle((10, 10, 190, 70)))]
    found = scores.tally(image(), TRUTH, read)
    assert (found.merged, found.misread, found.not_found) == (3, 0, 0)


def test_nothing_read_is_all_lost(scores: ModuleType) -> None:
    found = scores.tally(image(), TRUTH, [])
    assert found.scores()["cer"] == 100
    assert found.scores()["word_f1"] == 0
    assert found.not_found == 4


@pytest.mark.parametrize(("name", "right"), [("sroie", 4), ("peraire", 2)])
def test_receipts_alone_are_scored_without_case(
    benchmark: ModuleType, name: str, right: int
) -> None:
    turns: list[tuple[str, str]] = []

    def engine(label: str) -> object:
        def read(picture: bytes, language: str) -> list[Line]:
            turns.append((label, language))
            return [Line(line.text.lower(), line.polygon) for line in TRUTH]

        return benchmark.PageEngine(label, "pretending", read)

    [page_set] = [s for s in benchmark.SETS if s.name == name]
    pages = [page(benchmark)] * 2
    tallies = benchmark.read_interleaved(pages, [engine("A 1"), engine("B 2")], page_set)
    # Twice each, to warm up; then the second begins.
    assert "".join(label[0] for label, _ in turns) == "AABBBA"
    assert {language for _, language in turns} == {page_set.language}
    assert [each.words_right for each in tallies["B 2"]] == [right] * 2


def test_pages_that_were_trained_on_are_known(benchmark: ModuleType) -> None:
    sets = {page_set.name: page_set for page_set in benchmark.SETS}
    sections = benchmark.training_sections()
    trained = {
        name: benchmark.trained_on(name, sets[name.partition("__")[0]], sections)
        for name in (
            "sroie__X51005447852",
            "sroie__X00016469669",
            "testament_poilus__batch-2_TestamentsDePoilus_will_AN_0107-1",
            "tapuscorpus__12148-btv1b10581912k_34_585a1_default",
        )
    }
    assert list(trained.values()) == [False, True, False, True]


def test_lines_of_tesseract() -> None:
    engines = importlib.import_module("page_engines")
    header = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num"
    rows = (
        f"{header}\tleft\ttop\twidth\theight\tconf\ttext",
        "1\t1\t0\t0\t0\t0\t0\t0\t200\t100\t-1\t",
        "4\t1\t1\t1\t1\t0\t10\t20\t90\t15\t-1\t",
        '5\t1\t1\t1\t1\t1\t10\t20\t40\t15\t91.2\t"Thank',
        "5\t1\t1\t1\t1\t2\t60\t20\t40\t15\t90.0\tyou",
        "4\t1\t2\t1\t1\t0\t0\t0\t200\t100\t-1\t",
        "5\t1\t2\t1\t1\t1\t0\t0\t200\t100\t95\t ",
    )
    assert engines.tesseract_lines("\n".join(rows) + "\n") == [
        Line('"Thank you', rectangle((10, 20, 100, 35)))
    ]


def test_table(benchmark: ModuleType, scores: ModuleType) -> None:
    right = scores.tally(image(), TRUTH, TRUTH, seconds=2.5)
    tallies = {"A 1": right + right, "B 2": scores.Tally(pages=2, characters=40, edits=10)}
    engines = [benchmark.PageEngine(label, "", lambda picture, language: []) for label in tallies]
    rows = [
        *benchmark.rows_of("sroie", engines, tallies),
        *benchmark.rows_of("all", engines, tallies),
    ]
    both = "precision / recall %"
    assert benchmark.table(rows) == (
        "| pages of | n |  | A 1 | B 2 |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| receipts | 2 | CER % | 0.0 | 25.0 |\n"
        "| receipts | 2 | word F1 % | 100.0 | 0.0 |\n"
        "| all of them | 2 | CER % | 0.0 | 25.0 |\n"
        "| all of them | 2 | word F1 % | 100.0 | 0.0 |\n"
        "| all of them | 2 | CER % in any order of lines | 0.0 | 0.0 |\n"
        f"| all of them | 2 | lines at IoU ≥ 0.5: {both} | 100.0 / 100.0 | 0.0 / 0.0 |\n"
        f"| all of them | 2 | lines by their crops: {both} | 100.0 / 100.0 | 0.0 / 0.0 |\n"
        "| all of them | 2 | seconds of CPU a page | 2.5 | 0.0 |\n"
    )
    assert json.loads(json.dumps(rows))[0]["counts"]["lines"]["truth"] == 6


def test_the_readme_shows_what_was_measured(benchmark: ModuleType) -> None:
    results = ROOT / "benchmarks/results/pages.json"
    report = json.loads(results.read_text(encoding="utf-8"))
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    assert report["trained_on"] is False
    assert benchmark.table(report["rows"]) in page
