"""``trocr evaluate``: what it prints, writes, and ends with."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from line_models import save_tiny_model

from trocr.cli import main
from trocr.evaluation.report import Report

ROOT = Path(__file__).parent.parent
LINES = ROOT / "tests" / "data" / "receipt-lines"


@dataclass
class Run:
    code: int
    out: str
    err: str

    @property
    def values(self) -> dict[str, str]:
        return dict(line.split(maxsplit=1) for line in self.out.splitlines())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny", seed=3)


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Any:
    def evaluate(*arguments: object) -> Run:
        with pytest.raises(SystemExit) as exit_info:
            main(["evaluate", *map(str, arguments)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Run(int(exit_info.value.code or 0), captured.out, captured.err)

    return evaluate


@pytest.fixture
def read(tmp_path: Path) -> Path:
    """Texts of the set: the labels, but for the first, which is lost, and the last two's case."""
    rows = [row.split("\t") for row in (LINES / "labels.tsv").read_text().splitlines()[1:]]
    texts = [text for _, text in rows]
    texts = ["", *texts[1:-2], *(text.swapcase() for text in texts[-2:])]
    table = tmp_path / "read.tsv"
    body = "".join(
        f"{file}\t{text}\t0.{i + 10}\n"
        for i, ((file, _), text) in enumerate(zip(rows, texts, strict=True))
    )
    table.write_text("file\tprediction\tconfidence\n" + body)
    return table


def test_texts_that_were_written_score_as_the_model_did(
    evaluate: Any, model: Path, tmp_path: Path
) -> None:
    table, page = tmp_path / "out" / "read.tsv", tmp_path / "out" / "page.html"
    options = (LINES, "--format", "json", "--protocol", "str-62", "--normalize", "NFKC")
    done = evaluate(*options, "--model", model, "--predictions", table, "--report", page)
    again = evaluate(*options, "--from-predictions", table)
    assert (done.code, again.code, done.err, again.err) == (0, 0, "", "")
    first, second = json.loads(done.out), json.loads(again.out)
    assert first["normalization"] == "NFKC, only 0-9, a-z and A-Z"
    of_a_model = {"model", "lines_per_second", "decoding", "device", "dtype"}
    kept = set(first) - of_a_model
    assert {key: first[key] for key in kept} == {key: second[key] for key in kept}
    assert second["model"] == str(table)
    assert [second[key] for key in sorted(of_a_model - {"model"})] == [None] * 4
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_predictions_beside_the_labels_are_no_labels(
    evaluate: Any, read: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(LINES, data)
    options = (data, "--from-predictions", read, "--predictions", data / "read.tsv")
    first, second = evaluate(*options), evaluate(*options)
    assert (first.code, second.code, second.err) == (0, 0, "")
    assert second.values["n"] == "12"
    assert first.out == second.out


def test_every_key_of_the_json_is_in_the_docs(evaluate: Any, read: Path) -> None:
    done = evaluate(LINES, "--from-predictions", read, "--against", read, "--format", "json")
    found = json.loads(done.out)
    page = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    keys = set(found) | {key for rows in found.values() for key in nested(rows)}
    assert keys > {field.name for field in fields(Report)}
    assert not {key for key in keys if f"`{key}`" not in page}


def nested(value: Any) -> set[str]:
    """Keys of the objects in a value; numbers, which are shares, are none."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    own = {key for key in value if not key.isdigit()} if isinstance(value, dict) else set()
    return own.union(*map(nested, items))


def test_scores_have_intervals_and_the_top_confusions(evaluate: Any, read: Path) -> None:
    values = evaluate(LINES, "--from-predictions", read).values
    assert values["exact_match"].startswith("75.00  (50.00 to ")
    assert "bootstrap of 12 lines (few, so too narrow), 2000 draws, seed 0" in values["intervals"]
    assert "lost" in values["confusions"]
    assert "lines_per_second" not in values
    ignoring = evaluate(LINES, "--from-predictions", read, "--ignore-case").values
    assert ignoring["exact_match"].startswith("91.67")
    assert ignoring["normalization"] == "lower case"


def test_a_comparison_says_which_is_better(evaluate: Any, read: Path, model: Path) -> None:
    done = evaluate(LINES, "--model", model, "--against", read)
    assert done.code == 0
    assert done.values["against"] == str(read)
    assert "against 75.00: -75.00  (" in done.values["exact_match"]
    # Nine lines right on one side only: a coin falls the same way nine times.
    assert float(done.values["exact_match"].split("p = ")[1]) == pytest.approx(2 / 2**9, abs=0.003)
    assert done.values["p"] == "paired randomisation test, two-sided, by line"
    changed = next(row for row in done.out.splitlines() if row.startswith("lines changed"))
    assert changed.endswith("12, 0 better, 12 worse")


def test_a_cer_over_the_limit_is_exit_code_7(evaluate: Any, read: Path) -> None:
    done = evaluate(LINES, "--from-predictions", read, "--fail-over", 5)
    assert done.code == 7
    assert done.err.startswith(f"trocr: The CER of {read}, ")
    assert "is over 5 %" in done.err
    assert "cer" in done.values
    assert evaluate(LINES, "--from-predictions", read, "--fail-over", 99).code == 0


def test_what_is_skipped_is_counted_and_named(evaluate: Any, read: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "images").symlink_to(LINES / "images")
    rows = (LINES / "labels.tsv").read_text().splitlines()
    more = [f"images/{number}.png\tX" for number in range(12)]
    (data / "labels.tsv").write_text("\n".join(rows + more))
    done = evaluate(data, "--from-predictions", read, "--format", "json")
    assert done.code == 3
    assert [json.loads(done.out)[key] for key in ("n", "skipped", "unreadable")] == [12, 12, 0]
    reports = done.err.splitlines()
    assert len(reports) == 11
    assert "images/0.png" in reports[0]
    assert reports[-1] == "trocr: 2 more skipped"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--protocol", "sroie-image", "--model", "none"], 2, "--page-pattern"),
        (["--page-pattern", "(", "--model", "none"], 2, "unterminated"),
        (["--from-predictions", "none.tsv"], 5, "none.tsv"),
        (["--against", "none.tsv", "--model", "none"], 5, "none.tsv"),
        (["--against", "./none", "--model", "never loaded"], 4, "folder none."),
        (["--normalize", "NFD"], 2, "NFD"),
        (["--protocol", "bleu"], 2, "sroie-image"),
    ],
)
def test_what_cannot_be_evaluated(
    evaluate: Any, arguments: list[str], code: int, message: str
) -> None:
    done = evaluate(LINES, *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_words_are_pooled_by_the_pages_of_a_pattern(evaluate: Any, read: Path) -> None:
    pattern = ("--page-pattern", "(X5100)")
    options = (LINES, "--from-predictions", read, "--protocol", "sroie-image")
    values = evaluate(*options, *pattern).values
    assert "bootstrap of 1 page" in values["intervals"]
    by_line = evaluate(LINES, "--from-predictions", read, "--protocol", "sroie").values
    assert float(values["f1"].split()[0]) >= float(by_line["f1"].split()[0])
