"""Protocols and the runner, against a stand-in for the recognizer."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from trocr.errors import DataError, UsageError
from trocr.evaluation.predictions import Predictions
from trocr.evaluation.protocols import scoring_protocol
from trocr.evaluation.report import Report, pages_for, score
from trocr.evaluation.runner import evaluate, load_line_set, scores
from trocr.labelled_lines import LabelledLine
from trocr.line_result import LineResult
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
        ("iam", False, "Ab, ß!", "Ab, ß!"),
        ("sroie-image", False, "Ab, C", "Ab, C"),
        ("str-36", False, "It's  5-Ä€ OK", "its5ok"),
        ("str-62", False, "It's  5-Ä€ OK", "Its5OK"),
        ("str-94", False, "It's  5-Ä€ OK", "It's5-OK"),
    ],
)
def test_normalization(name: str, ignore_case: bool, text: str, expected: str) -> None:
    protocol = scoring_protocol(name, ignore_case=ignore_case)
    assert protocol.normalize(text) == expected
    assert (protocol.normalization == "none") == (protocol.normalize is str)


def test_unknown_protocol() -> None:
    with pytest.raises(UsageError, match=r"bleu.*cer, iam, sroie, .*str-94"):
        scoring_protocol("bleu")


def test_what_is_ignored_is_said_in_the_order_it_is_done() -> None:
    everything = scoring_protocol(
        "sroie",
        unicode_form="NFKC",
        ignore_accents=True,
        ignore_case=True,
        ignore_punctuation=True,
    )
    assert everything.normalization == (
        "NFKC, no accents, lower case, no punctuation, white space collapsed"
    )
    assert everything.normalize("  Éﬁn — «Ǻ»,\tI.Ø. £5 ") == "efin a iø £5"
    scene = scoring_protocol("str-62", ignore_accents=True)
    assert scene.normalization == "no accents, only 0-9, a-z and A-Z"
    assert scene.normalize("Café Ø") == "Cafe"
    composed = scoring_protocol("iam", unicode_form="NFC", collapse_spaces=True)
    assert composed.normalization == "NFC, white space collapsed"
    assert composed.normalize(" e\u0301ﬁ,  a") == "éﬁ, a"
    with pytest.raises(UsageError, match="NFD"):
        scoring_protocol("cer", unicode_form="NFD")


def test_iam_counts_case_and_punctuation() -> None:
    found = scores(["hello world"], ["Hello, World."], scoring_protocol("iam"))
    assert found["cer"] == pytest.approx(100 * 4 / 13)
    ignoring = scoring_protocol("iam", ignore_case=True, ignore_punctuation=True)
    assert scores(["hello world"], ["Hello, World."], ignoring)["cer"] == 0.0


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
    every = load_line_set(LINES)
    assert (len(every.lines), every.skipped) == (12, [])
    assert load_line_set(LINES, 5).lines == every.lines[:5]


def test_lines_that_nobody_would_train_on_are_scored(tmp_path: Path) -> None:
    for name in ("a.png", "copy.png", "blank.png"):
        (tmp_path / name).write_bytes(picture(10))
    (tmp_path / "bad.png").write_bytes(b"text")
    rows = ("a.png\tW 10", "copy.png\tW 11", "blank.png\t", "bad.png\tW 12", "gone.png\tW 13")
    (tmp_path / "labels.tsv").write_text("file\ttext\n" + "".join(f"{row}\n" for row in rows))
    found = load_line_set(tmp_path)
    assert [(line.file, line.text) for line in found.lines] == [
        tuple(row.split("\t")) for row in rows[:4]
    ]
    assert ["gone.png" in one.where + one.reason for one in found.skipped] == [True]


def test_a_set_without_lines(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text("file\ttext\n")
    with pytest.raises(DataError, match="holds no labelled line"):
        load_line_set(tmp_path)


def read(texts: list[str], confidences: list[float] | None = None) -> Predictions:
    return Predictions("reader", texts, confidences)


def test_sroie_by_image_pools_the_words_of_a_receipt() -> None:
    # Two boxes in the other order, and one word of another receipt; "5.00" is repeated once only.
    names = ("r1_0.png", "r1_1.png", "r2_0.png")
    labels = ("TOTAL 5.00", "CASH 5.00", "CHANGE")
    lines = [LabelledLine(*row) for row in zip(names, [b""] * 3, labels, strict=True)]
    texts = read(["CASH 5.00", "TOTAL", "CASH"])
    by_line, by_image = (scoring_protocol(name) for name in ("sroie", "sroie-image"))
    pages = pages_for(lines, by_image, "(.*)_[^_]*$")
    found = score(lines, texts, by_line, pages=pages)
    assert (found.precision, found.recall) == (pytest.approx(100 / 4), pytest.approx(100 / 5))
    found = score(lines, texts, by_image, pages=pages)
    assert (found.precision, found.recall) == (pytest.approx(300 / 4), pytest.approx(300 / 5))
    assert found.f1 == pytest.approx(100 * 2 * 3 / (4 + 5))
    assert found.cer == score(lines, texts, by_line, pages=pages).cer
    assert (found.resampling.unit, found.resampling.units) == ("page", 2)


def test_sroie_by_image_needs_images() -> None:
    protocol = scoring_protocol("sroie-image")
    lines = [LabelledLine("a.png", b"", "A"), LabelledLine("b.png", b"", "B")]
    with pytest.raises(UsageError, match="--page-pattern"):
        pages_for(lines, protocol)
    with pytest.raises(UsageError, match=r"b_1.*captures nothing.*a\.png"):
        pages_for(lines, protocol, "b_1(.*)")
    with pytest.raises(UsageError, match="unterminated"):
        pages_for(lines, protocol, "(a")
    given = [LabelledLine(line.file, b"", line.text, page="p") for line in lines]
    assert pages_for(given, protocol).count == 1


def test_scores_without_confidences() -> None:
    lines = [LabelledLine("a.png", b"", "AB"), LabelledLine("b.png", b"", "CD")]
    found = score(lines, read(["AB", "C"]), scoring_protocol("cer"), skipped=2)
    assert (found.cer, found.skipped) == (25.0, 2)
    assert (found.ece, found.aurc, found.cer_kept) == (None, None, None)
    assert (found.reliability, found.rejection, found.lines_per_second) == (None, None, None)


def test_reliability_and_rejection_are_there_as_points() -> None:
    lines = [LabelledLine(f"{text}.png", b"", text) for text in ("ab", "cd", "ef", "gh")]
    texts = read(["ab", "cd", "ex", "yy"], [0.9, 0.7, 0.69, 0.1])
    found = score(lines, texts, scoring_protocol("cer"))
    assert found.rejection == [
        (25.0, 0.0),
        (50.0, 0.0),
        (75.0, pytest.approx(100 / 6)),
        (100, 37.5),
    ]
    assert found.reliability is not None
    rows = [(one.lines, one.confidence, one.exact_match, one.cer) for one in found.reliability]
    assert rows == [
        (1, pytest.approx(0.1), 0.0, 100.0),
        (2, pytest.approx(0.695), 50.0, 25.0),
        (1, pytest.approx(0.9), 100.0, 0.0),
    ]
