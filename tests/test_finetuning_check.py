"""Before the first step: whatever is wrong with a set is named, and nothing of it is an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from line_models import CHARACTERS, text_picture, tiny_line_model, tiny_processor
from PIL import Image

from trocr.image_processor import ViTImageProcessor
from trocr.labelled_lines import LabelledLine, LineSet, SkippedLine, read_labelled_lines
from trocr.line_image import LineImageProcessor
from trocr.tokenizer import Tokenizer
from trocr.training.finetuning.check import Check, as_dict, check_lines, describe
from trocr.training.finetuning.findings import Finding
from trocr.training.finetuning.histograms import Histogram
from trocr.training.finetuning.pictures import Limits

RECEIPTS = Path(__file__).parent / "data" / "receipt-lines"
LIMITS = Limits(38, LineImageProcessor(48, 2048, straighten=True), 2)
LATIN = Tokenizer.from_characters(CHARACTERS + "KLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyzäéß'*")


def line(text: str, picture: Image.Image | None = None, file: str = "") -> LabelledLine:
    drawn = LabelledLine.of("x", picture or text_picture(text or "-"), text)
    return LabelledLine(file or f"{text}.png", drawn.image, text)


def good(count: int = 24) -> list[LabelledLine]:
    return [line(f"Line {number} of {number * 37}") for number in range(count)]


def checked(
    lines: list[LabelledLine],
    skipped: list[SkippedLine] | None = None,
    tokenizer: Tokenizer = LATIN,
    limits: Limits = LIMITS,
) -> Check:
    check = check_lines(LineSet(lines, skipped or [], "labels.tsv"), tokenizer, limits)
    assert json.loads(json.dumps(as_dict(check)))["kept"] == len(check.lines)
    text = describe(check)
    assert all(finding.what in text for finding in findings(check))
    assert max(map(len, text.splitlines())) <= 100
    return check


def findings(check: Check) -> list[Finding]:
    return [*check.skipped, *check.dropped, *check.warnings]


def kind(check: Check, what: str) -> Finding:
    (finding,) = [finding for finding in findings(check) if what in finding.what]
    return finding


def test_a_good_set_gives_no_alarm() -> None:
    lines = good() + list(read_labelled_lines(RECEIPTS))
    alphabet = set().union(*(one.text for one in lines))
    check = checked(lines, tokenizer=Tokenizer.from_characters("".join(alphabet)))
    assert findings(check) == []
    assert check.lines == lines
    assert describe(check).startswith("36 lines (labels.tsv), no pages known\n36 lines to learn")


def test_limits_are_those_of_the_model() -> None:
    config, processor = tiny_line_model().config, tiny_processor().image_processor
    assert Limits.of(config, processor) == Limits(38, processor, 2)
    assert Limits.of(config, ViTImageProcessor()).image_processor is None


def test_what_was_not_read_is_grouped_by_reason() -> None:
    missing = [SkippedLine(f"row {n}", f"The picture a/{n}.png is missing.") for n in range(9)]
    empty = SkippedLine("row 30", "Its label is empty.")
    check = checked(good(), [*missing, empty])
    assert [len(finding.places) for finding in check.skipped] == [9, 1]
    assert check.skipped[1] == Finding("Its label is empty.", ["row 30"])
    assert "row 3: The picture a/3.png is missing." in check.skipped[0].places
    assert "row 30" in describe(check)


def _blank(width: int = 200, height: int = 40) -> Image.Image:
    return Image.new("L", (width, height), 240)


def _stretched(text: str, width: int, height: int) -> Image.Image:
    return text_picture(text).resize((width, height))


@pytest.mark.parametrize(
    ("what", "bad"),
    [
        ("longer than the model", line("word " * 8)),
        ("without a text", line("  ", text_picture("word"))),
        ("no picture", LabelledLine("a.png", b"no picture", "word")),
        ("no picture", LabelledLine("a.png", line("word").image[:150], "word")),
        ("no picture", LabelledLine("a.png", b"", "word")),
        ("lower than 8", line("word", _stretched("word", 60, 6))),
        ("lower than 8", line("word", Image.new("L", (1, 1)))),
        ("blank", line("word", _blank())),
        ("at less than half", line("word", _stretched("word", 20_000, 48))),
        ("too narrow", line("a word or two more", _stretched("word", 40, 48))),
        ("too narrow", line("AAAAAAAAAA", _stretched("AAA", 48, 48))),
    ],
)
def test_what_cannot_be_learnt_is_left_out(what: str, bad: LabelledLine) -> None:
    check = checked([*good(), bad])
    assert len(check.dropped) == 1
    assert [place.partition(":")[0] for place in kind(check, what).places] == [bad.file]
    assert check.lines == good()


def test_shapes_do_not_matter_to_a_model_of_one_size() -> None:
    wide = line("word", _stretched("word", 20_000, 48))
    narrow = line("a word or two more", _stretched("a word or two more", 40, 48))
    check = checked([*good(), wide, narrow], limits=Limits(38))
    assert check.dropped == []
    places = kind(check, "wider or narrower").places
    assert [place.partition(" '")[0] for place in places] == [wide.file, narrow.file]


def test_margins_do_not_make_a_line_narrow() -> None:
    """The model is shown the rows with ink alone."""
    text = "Some words in a line"
    drawn = text_picture(text)
    high = Image.new("L", (drawn.width, 6 * drawn.height), 245)
    high.paste(drawn, (0, 2 * drawn.height))
    assert checked([*good(), line(text, high)]).dropped == []


@pytest.mark.parametrize(
    ("what", "texts"),
    [
        ("cannot write", ["Ω is", "a Ωmega"]),
        ("wrong encoding", ["dÃ©jÃ vu", "d\ufffdj\ufffd vu", "lâ€™eau", "Ã‰t", "Ð¼Ð¸Ñ€"]),
        ("nobody sees", ["soft\xadhyphen", "\ufeffmark", "bell\a"]),
        ("decomposed", ["e\u0301t\u00e9"]),
        ("two scripts", ["\u0421\u0430nada"]),
        ("suspiciously many", ["the same thing"] * 12),
    ],
)
def test_what_is_odd_about_labels_is_named(what: str, texts: list[str]) -> None:
    picture = text_picture("something else")
    odd = [line(text, picture, f"{number}.png") for number, text in enumerate(texts)]
    check = checked([*good(), *odd])
    assert check.dropped == []
    assert len(kind(check, what).places) in (1, len(texts))
    assert kind(check, what).advice in " ".join(describe(check).split())


@pytest.mark.parametrize("text", ["LIBERTÉ»", "été naïf", "Œuvre à côté", "Grüße", "мир"])
def test_rare_letters_are_not_wrongly_decoded(text: str) -> None:
    found = findings(checked([*good(), line(text)]))
    assert not [finding for finding in found if "encoding" in finding.what]


def test_words_show_what_the_model_cannot_write() -> None:
    check = checked([*good(), line("2 Ω or 3 Ω"), line("kΩ")])
    assert kind(check, "cannot write").places == ["'Ω' 3 times: Ω, kΩ"]


def test_labels_all_in_capitals_are_noticed() -> None:
    capitals = [line(f"LINE {number} TOTAL") for number in range(30)]
    assert len(kind(checked(capitals), "capitals").places) == 30
    assert findings(checked([*capitals, *good()])) == []


def test_one_picture_with_several_labels_is_noticed() -> None:
    picture = text_picture("Some words")
    lines = [line(text, picture, f"{text}.png") for text in ("Some words", "Other words")]
    copy = LabelledLine("copy.png", good()[0].image, good()[0].text)
    check = checked([*good(), *lines, copy])
    assert len(kind(check, "different labels").places) == 1
    assert len(kind(check, "several times").places) == 1


def test_texts_of_many_tokens_are_noticed() -> None:
    class Bytewise(Tokenizer):
        def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
            return 3 * super().encode(text, add_special_tokens)

    tokenizer = Bytewise(LATIN._files)
    assert kind(checked(good(), tokenizer=tokenizer), "many tokens").places[0].startswith("3.0 ")


@pytest.mark.parametrize("count", [0, 1, 19])
def test_few_lines_are_noticed(count: int) -> None:
    assert kind(checked(good(count)), "fewer than 20").places == [f"{count} lines"]


def test_a_histogram_bears_one_line_out_of_proportion() -> None:
    histogram = Histogram.of("width", "pixels", [*range(100, 600), 20_000])
    assert sum(histogram.counts) == 501
    assert histogram.edges[-1] < 1_000
    assert (histogram.lowest, histogram.highest) == (100, 20_000)
    assert "20000" in str(histogram)
    assert sum(Histogram.of("width", "pixels", []).counts) == 0
