"""Tables of texts, written and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from trocr.errors import DataError, OutputError
from trocr.evaluation.predictions import Predictions, read_predictions, write_predictions
from trocr.labelled_lines import LabelledLine

LINES = [LabelledLine("a b.png", b"", 'A "1"'), LabelledLine("é/2.png", b"", "B")]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    table = tmp_path / "new" / "read.tsv"
    write_predictions(table, LINES, Predictions("m", ['"A\t1\n', ""], [0.12345678912, 0]))
    assert table.read_text(encoding="utf-8") == (
        'file\tlabel\tprediction\tconfidence\na b.png\tA "1"\t"A 1 \t0.123456789\né/2.png\tB\t\t0\n'
    )
    found = read_predictions(table, LINES[::-1])
    assert found == Predictions(str(table), ["", '"A 1 '], [0.0, 0.123456789])
    write_predictions(table, LINES, Predictions("m", ["A", "B"], None))
    assert read_predictions(table, LINES).confidences is None


def test_tables_of_other_programs(tmp_path: Path) -> None:
    table = tmp_path / "other.tsv"
    table.write_bytes("\ufeffprediction\tfile\r\nB\té/2.png\r\nx\tc.png\r\nA\ta b.png".encode())
    assert read_predictions(table, LINES).texts == ["A", "B"]
    table.write_text("file\tconfidence\tprediction\na b.png\t0.5\nc.png\t1\tC\né/2.png\t1\tB\n")
    found = read_predictions(table, LINES)
    assert (found.texts, found.confidences) == (["", "B"], [0.5, 1.0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file\ttext\na b.png\tA\n", "no column 'prediction'"),
        ("file\tprediction\na b.png\tA\n", "lacks 1 of 2 lines, é/2.png first"),
        ("file\tprediction\na b.png\tA\na b.png\tA\n", "a b.png is there twice"),
        ("file\tprediction\tconfidence\na b.png\t\t1\né/2.png\t\tsure\n", "'sure' is no conf"),
        ("file\tprediction\tconfidence\na b.png\t\t1\né/2.png\t\t1.5\n", "'1.5' is no conf"),
        ("", "no column 'file'"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, content: str, message: str) -> None:
    table = tmp_path / "read.tsv"
    table.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_predictions(table, LINES)


def test_a_table_that_is_not_there_or_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Cannot read"):
        read_predictions(tmp_path / "none.tsv", LINES)
    with pytest.raises(OutputError):
        write_predictions(tmp_path, LINES, Predictions("m", ["A", "B"], None))
