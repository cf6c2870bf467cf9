"""Protocols and the runner, against a stand-in for the recognizer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from trocr.errors import DataError, UsageError
from trocr.evaluation.protocols import scoring_protocol
from trocr.evaluation.report import Report
from trocr.evaluation.runner import evaluate, load_lines, scores
from trocr.labelled_lines import LabelledLine
from trocr.recognizer import LineResult
from trocr.stream import Reading

LINES = Path(__file__).parent / "data" / "receipt-lines"


class WidthReader:
    """Reads the width of a picture."""

    name, device, dtype = "width", "cpu", "torch.float32"

    def read_lines(self, images: list[Image.Image], **options: Any) -> list[LineResult]:
        return [LineResult(f"W {image.width}", 1.0, "eos") for image in images]

    def describe_decoding(self, num_beams: int = 1) -> str:
        return f"ruler, {num_beams} beams"


def picture(width: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (width, 8), 255).save(stream, "PNG")
    return stream.getvalue()


def evaluated(lines: list[LabelledLine], **options: Any) -> tuple[Report, list[Reading]]:
    readings: list[Reading] = []
    protocol = scoring_protocol(options.pop("protocol", "cer"))
    reader: Any = WidthReader()
    return evaluate(reader, lines, protocol, on_reading=readings.append, **options), readings


@pytest.mark.parametrize(
    ("name", "ignore_case", "text", "expected"),
    [
        ("cer", False, "Ab, ß!", "Ab, ß!"),
        ("sroie", False, "Ab, C", "Ab, C"),
        ("cer", True, "Ab, C", "ab, c"),
        ("sroie", True, "Ab, C", "ab, c"),
        ("str", False, "It's  5-Ä€ OK", "its5ok"),
        ("str", True, "It's OK", "itsok"),
    ],
)
def test_normalization(name: str, ignore_case: bool, text: str, expected: str) -> None:
    protocol = scoring_protocol(name, ignore_case=ignore_case)
    assert protocol.normalize(text) == expected
    assert (protocol.normalization == "none") == (protocol.normalize is str)


def test_unknown_protocol() -> None:
    with pytest.raises(UsageError, match=r"bleu.*cer, iam, sroie, .*str-94"):
        scoring_protocol("bleu")


def test_scores_follow_the_protocol() -> None:
    predictions, references = ["total: RM5"], ["TOTAL RM5"]
    cased = scores(predictions, references, scoring_protocol("sroie"))
    folded = scores(predictions, references, scoring_protocol("sroie", ignore_case=True))
    scene = scores(predictions, references, scoring_protocol("str"))
    assert (cased["f1"], folded["f1"], scene["f1"]) == (50.0, 50.0, 100.0)
    assert (cased["exact_match"], folded["exact_match"], scene["exact_match"]) == (0.0, 0.0, 100.0)
    assert folded["cer"] == pytest.approx(100 / 9)


def test_an_unreadable_picture_is_an_empty_prediction() -> None:
    lines = [
        LabelledLine("a.png", picture(10), "W 10"),
        LabelledLine("b.png", b"text", "W 11"),
        LabelledLine("c.png", picture(12), "W 12"),
    ]
    report, readings = evaluated(lines, num_beams=4)
    assert (report.n, report.unreadable) == (3, 1)
    assert report.exact_match == pytest.approx(200 / 3)
    assert report.precision == 100.0
    assert report.recall == pytest.approx(200 / 3)
    assert report.cer == pytest.approx(100 / 3)
    assert report.ece == 0.0  # read: sure and right; not read: no confidence and wrong
    assert report.aurc == pytest.approx(100 / 9)
    assert report.cer_kept["100"] == report.cer
    assert report.cer_kept["50"] == 0.0
    assert report.decoding == "ruler, 4 beams"
    assert report.dtype == "float32"
    assert report.lines_per_second > 0
    assert [reading.name for reading in readings] == ["a.png", "b.png", "c.png"]
    assert readings[1].error is not None
    assert "is text" in str(readings[1].error)


def test_order_is_kept_over_many_windows() -> None:
    widths = [9 + (7 * i) % 40 for i in range(50)]
    lines = [LabelledLine(f"{w}.png", picture(w), f"W {w}") for w in widths]
    report, readings = evaluated(lines, batch_size=2)
    assert report.exact_match == 100.0
    assert [reading.name for reading in readings] == [line.file for line in lines]


def test_limit_takes_the_first_lines() -> None:
    every = load_lines(LINES)
    assert len(every) == 12
    assert load_lines(LINES, 5) == every[:5]


def test_a_set_without_lines(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("file\ttext\n")
    with pytest.raises(DataError, match="holds no lines"):
        load_lines(tmp_path)
