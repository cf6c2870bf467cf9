"""The benchmark of speed: turns, rows, and the check that ids are the same."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from line_models import tiny_recognizer

ROOT = Path(__file__).parent.parent
TINY: dict[str, Any] = {
    "tiny": (
        "deit",
        {
            "hidden_size": 24,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "image_size": 384,
            "patch_size": 96,
        },
        {
            "vocab_size": 60,
            "d_model": 16,
            "decoder_layers": 1,
            "decoder_attention_heads": 2,
            "decoder_ffn_dim": 24,
            "cross_attention_hidden_size": 24,
            "tie_word_embeddings": False,
        },
    )
}


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


@pytest.fixture
def rounds() -> ModuleType:
    return importlib.import_module("interleaved")


@pytest.fixture
def speed() -> ModuleType:
    return importlib.import_module("speed")


@pytest.fixture
def sections(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """With a tiny shape beside the published ones."""
    models = importlib.import_module("speed_models")
    monkeypatch.setattr(models, "SHAPES", {**models.SHAPES, **TINY})
    return importlib.import_module("speed_sections")


def options(sections: ModuleType, tmp_path: Path, **changes: Any) -> Any:
    values = {"rounds": 1, "threads": 1, "limit": 2, "sets": tmp_path, "shapes": tmp_path}
    return sections.Options(**{**values, "batch_sizes": (1, 2), **changes})


def test_contenders_take_turns_and_the_first_round_does_not_count(rounds: ModuleType) -> None:
    turns: list[str] = []
    clock = iter([0, 9, 9, 18, 18, 19, 19, 24, 24, 30, 30, 32, 32, 35, 35, 42])

    def work(label: str) -> str:
        turns.append(label)
        return f"{label}{len(turns)}"

    contenders = [rounds.Contender(label, lambda label=label: work(label)) for label in "AB"]
    found = rounds.interleaved(contenders, 3, lambda: next(clock))
    assert "".join(turns) == "BA" + "AB" + "BA" + "AB"
    assert (found["A"].seconds, found["B"].seconds) == ([1, 2, 3], [5, 6, 7])
    assert (found["A"].median, found["B"].median) == (2, 6)
    assert found["A"].result == "A7"


def test_rows_say_what_they_reach(rounds: ModuleType) -> None:
    row = rounds.Row("work", "A", "B", measured=4.0, floor=3, goal=6)
    assert row.verdict == "floor"
    assert replace(row, measured=2.9).verdict == "below"
    assert replace(row, measured=6.0).verdict == "goal"
    assert replace(row, floor=None, goal=None).verdict == ""
    least = replace(row, floor=10, goal=5, at_most=True)
    assert [replace(least, measured=value).verdict for value in (11, 8, 5)] == [
        "below",
        "floor",
        "goal",
    ]


def test_ids_that_differ_are_an_error_where_they_must_not(rounds: ModuleType) -> None:
    row = rounds.Row("work", "A", "B", measured=4.0, same=99.0)
    assert rounds.differing([row, replace(row, same=None, must_be_same=True)]) == []
    assert rounds.differing([replace(row, same=100.0, must_be_same=True)]) == []
    wrong = rounds.differing([row, replace(row, must_be_same=True)])
    assert wrong == ["work: A and B agree on 99.0 % of the lines"]


def test_table(rounds: ModuleType) -> None:
    rows = [
        rounds.Row("read", "trocr", "other", measured=4.56, floor=3, goal=6, same=99.96),
        rounds.Row("start", "trocr", "", 0.94, 3, 1, unit="s", at_most=True),
        rounds.Row("more", "trocr", "other", measured=120.4),
    ]
    assert rounds.table(rows) == (
        "| work | ours | against | floor | goal | measured | reached | same, % |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| read | trocr | other | 3x | 6x | 4.6x | floor | 100.0 |\n"
        "| start | trocr |  | 3 s | 1 s | 0.9 s | goal |  |\n"
        "| more | trocr | other |  |  | 120x |  |  |\n"
    )


def test_published_shapes_write_what_transformers_writes(
    rounds: ModuleType, sections: ModuleType, tmp_path: Path
) -> None:
    rows = list(sections.published("tiny", 1, options(sections, tmp_path)))
    exact = [row for row in rows if row.must_be_same]
    assert [row.same for row in exact] == [100.0, 100.0]
    assert not rounds.differing(rows)
    assert {row.work for row in rows} == {
        "trocr-tiny shape, batch 1, greedy",
        "trocr-tiny shape, batch 2, greedy",
    }
    targets = {(row.floor, row.goal) for row in rows} - {(None, None)}
    assert targets == {sections.SINGLE, sections.BATCHED, sections.BEST}
    assert set(rows[0].seconds) == {
        f"{library} {dtype}"
        for library in ("trocr", "transformers")
        for dtype in ("float32", "bfloat16")
    }
    beams = [
        row
        for row in sections.published("tiny", 4, options(sections, tmp_path))
        if row.must_be_same
    ]
    assert [(row.work, row.same) for row in beams] == [
        (f"trocr-tiny shape, batch {size}, beam 4", 100.0) for size in (1, 2)
    ]


def test_other_ids_than_the_reference_are_noticed(rounds: ModuleType, sections: ModuleType) -> None:
    ids = {"trocr float32": [[2, 5, 6], [2, 7, 8]], "transformers float32": [[2, 5, 6], [2, 7, 9]]}
    timings = {
        f"{library} {dtype}": rounds.Timing([1.0], torch.tensor(ids[f"{library} float32"]))
        for library in ("trocr", "transformers")
        for dtype in ("float32", "bfloat16")
    }
    rows = list(sections.published_rows("work", timings, (3, 6), None))
    [exact] = [row for row in rows if row.must_be_same]
    assert exact.same == 50
    assert exact.details["same_tokens"] == pytest.approx(100 * 5 / 6)
    assert len(rounds.differing(rows)) == 1


@pytest.mark.slow
def test_exported_models_write_the_same(
    sections: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript")
    monkeypatch.setitem(importlib.import_module("speed_models").SHAPES, "small", TINY["tiny"])
    monkeypatch.setattr(sections, "default_dtype", lambda: torch.float32)
    monkeypatch.setattr(sections, "runtimes", lambda: ["onnx"])
    rows = list(sections.exports(options(sections, tmp_path)))
    assert [row.work.split(", ")[1] for row in rows] == ["batch 1", "batch 2"]
    assert {row.ours for row in rows} == {"trocr float32"}
    assert {row.against.split()[0] for row in rows} == {"onnxruntime"}
    assert {row.same for row in rows} == {100.0}


def test_models_are_always_the_same(sections: ModuleType, tmp_path: Path) -> None:
    folders = [sections.shape_folder("tiny", tmp_path / name) for name in "ab"]
    first, second = (folder.joinpath("model.safetensors").read_bytes() for folder in folders)
    assert first == second
    assert sections.shape_folder("tiny", tmp_path / "a") == folders[0]


def test_cost_against_length(
    sections: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sections.trocr, "load", lambda *_: tiny_recognizer())
    [row] = sections.length(options(sections, tmp_path))
    assert (row.floor, row.goal, row.at_most) == (10, 10, True)
    assert row.measured == row.seconds["90 characters"] / row.seconds["9 characters"] > 1


def test_drafts_and_dtypes_compare_texts(
    sections: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trocr.labelled_lines import read_labelled_lines, write_labelled_lines

    monkeypatch.setattr(sections.trocr, "load", lambda *_: tiny_recognizer())
    monkeypatch.setattr(sections, "OUR_SETS", {"tiny": "receipts"})
    monkeypatch.setattr(sections, "default_dtype", lambda: torch.bfloat16)
    lines = list(read_labelled_lines(ROOT / "tests" / "data" / "receipt-lines"))
    write_labelled_lines(lines, tmp_path / "receipts")
    given = options(sections, tmp_path, limit=4)
    assert given.lines("receipts") == given.lines("receipts")
    assert len(given.lines("receipts")) == 4
    [drafted] = sections.drafts(given)
    assert (drafted.ours, drafted.against) == ("drafted", "greedy")
    assert set(drafted.details) == {"cer_drafted", "cer_greedy"}
    [fast] = sections.dtypes(given)
    assert set(fast.details) == {"cer_bfloat16", "cer_float32"}
    assert fast.same is not None


@pytest.mark.shared
def test_mean_tokens(sections: ModuleType) -> None:
    counts = [sections.mean_tokens([text]) for text in ("TOTAL", "FUYI MINI MARKET")]
    assert counts[0] < counts[1] < len("FUYI MINI MARKET")


def test_sections_that_are_not_measured_keep_their_rows(
    speed: ModuleType,
    rounds: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page, file = tmp_path / "speed.md", tmp_path / "speed.json"
    page.write_text(f"before\n{speed.BEGIN}old\n{speed.END}after\n")
    monkeypatch.setattr(speed, "PAGE", page)
    row = rounds.Row("work", "A", "B", measured=4.0)

    def run(*arguments: str, **found: list[Any]) -> None:
        fixed = {name: (lambda _, rows=rows: iter(rows)) for name, rows in found.items()}
        monkeypatch.setattr(speed, "SECTIONS", {"one": lambda _: iter(()), **fixed})
        monkeypatch.setattr(sys, "argv", ["speed.py", "--json", str(file), *arguments])
        speed.main()

    run("--only", "one", "--threads", "1", one=[row])
    wrong = replace(row, work="two", same=50.0, must_be_same=True)
    with pytest.raises(SystemExit, match=r"two: A and B agree on 50\.0 %"):
        run("--only", "two", "--docs", two=[wrong])
    found = json.loads(file.read_text())["sections"]
    assert list(found) == ["one", "two"]
    assert {"commit", "cpu", "threads", "packages", "rounds"} <= set(found["one"])
    assert found["one"]["threads"] == 1
    written = page.read_text()
    assert rounds.table([row, wrong]) in written
    assert "old" not in written
    assert rounds.table([row]) in capsys.readouterr().out
    run("--only", "one", one=[])  # nothing to measure here: the rows stay
    assert json.loads(file.read_text())["sections"] == found


def test_the_page_shows_what_was_measured(speed: ModuleType) -> None:
    page = speed.PAGE.read_text(encoding="utf-8")
    results = speed.stored(ROOT / "benchmarks/results/speed.json")
    assert speed.with_table(page, results) == page
