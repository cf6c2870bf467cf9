"""Made-up lines: the label is what is drawn, the same seed gives the same line, and ink is seen."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from trocr.cli import main
from trocr.errors import UsageError
from trocr.labelled_lines import read_labelled_lines
from trocr.training.blank import blank_line
from trocr.training.synthetic import training_extra
from trocr.training.synthetic.degrade import captured, worn_ink
from trocr.training.synthetic.fonts import Face
from trocr.training.synthetic.hinting import remove_hints
from trocr.training.synthetic.lines import SyntheticLines
from trocr.training.synthetic.manner import Manner
from trocr.training.synthetic.pen import pen_stroke
from trocr.training.synthetic.render import render_line
from trocr.training.synthetic.setting import set_line
from trocr.training.synthetic.sheets import contact_sheet, labelled_lines
from trocr.training.synthetic.surroundings import add_neighbours
from trocr.training.synthetic.text_notes import NOTE
from trocr.training.synthetic.warp import Bend, bent

PLAIN = Manner(margins=(0, 0, 0, 0))
TEXTS = ["TOTAL 12.30", "Paris, le 3 mai 1915", "M^r Dupont", "il", "RM 4.60", "-----"]


class FewTexts:
    def __init__(self, *texts: str) -> None:
        self.texts = texts

    def draw(self, generator: np.random.Generator) -> str:
        return self.texts[generator.integers(len(self.texts))]


@pytest.fixture(scope="module")
def font(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The face that Pillow brings along."""
    path = tmp_path_factory.mktemp("fonts") / "face.ttf"
    path.write_bytes(ImageFont.load_default(32).font_bytes)
    return path


@pytest.fixture(scope="module")
def face(font: Path) -> Callable[..., Face]:
    def face(kind: str = "print", **changes: Any) -> Face:
        characters = frozenset(string.ascii_letters + string.digits + ".,- ")
        values = {"path": font, "family": "one", "caps_only": False, "characters": characters}
        return Face(kind=kind, **{**values, **changes})

    return face


@pytest.fixture(scope="module")
def lines(face: Callable[..., Face]) -> SyntheticLines:
    return SyntheticLines([face("print"), face("hand", family="two")], FewTexts(*TEXTS), seed=3)


def pixels(image: Image.Image) -> np.ndarray:
    assert image.mode == "L"
    return np.asarray(image)


def drawn(text: str, font: Path, manner: Manner = PLAIN) -> Any:
    return set_line(text, font, 40.0, manner, np.random.default_rng(0))


def test_a_line_depends_on_seed_and_number_alone(lines: SyntheticLines) -> None:
    forwards = [lines.line(index) for index in range(12)]
    for index in reversed(range(12)):
        image, text = lines.line(index)
        assert text == forwards[index][1]
        assert np.array_equal(pixels(image), pixels(forwards[index][0]))


def test_another_seed_gives_other_lines(lines: SyntheticLines, face: Callable[..., Face]) -> None:
    others = SyntheticLines([face()], FewTexts(*TEXTS), seed=4)
    pairs = [(lines.line(index)[0], others.line(index)[0]) for index in range(12)]
    assert all(a.size != b.size or a.tobytes() != b.tobytes() for a, b in pairs)


def test_every_line_has_ink_that_can_be_seen_and_a_usual_size(lines: SyntheticLines) -> None:
    for index in range(150):
        image, text = lines.line(index)
        assert text in TEXTS
        grey = pixels(image).astype(float)
        assert 12 <= image.height <= 160
        assert 4 <= image.width <= 2600
        assert np.ptp(np.percentile(grey, (1, 50, 99))) > 25, index


def test_labels_hold_only_what_the_face_draws(face: Callable[..., Face]) -> None:
    accents = SyntheticLines([face()], FewTexts("été à 5 €"), seed=1)
    assert accents.line(0)[1] == "t 5"
    mostly = SyntheticLines([face()], FewTexts("été", "ete", "ete", "ete"), seed=1)
    assert {mostly.line(index)[1] for index in range(20)} == {"ete"}


def test_a_face_without_small_letters_gets_capitals(face: Callable[..., Face]) -> None:
    capitals = SyntheticLines([face(caps_only=True)], FewTexts("Straw berry"), seed=1)
    assert capitals.line(0)[1] == "STRAW BERRY"


def test_script_faces_seldom_write_whole_lines_in_capitals(face: Callable[..., Face]) -> None:
    for kind, share in (("print", 1.0), ("hand", 0.3)):
        source = SyntheticLines([face(kind)], FewTexts("STRAW BERRY"), seed=1)
        texts = [source.line(index)[1] for index in range(100)]
        assert set(texts) <= {"STRAW BERRY", "Straw Berry"}
        assert abs(texts.count("STRAW BERRY") / 100 - share) < 0.15


def test_families_are_drawn_alike_whatever_their_number_of_faces(
    face: Callable[..., Face],
) -> None:
    faces = [face(family="big")] * 9 + [face(family="small", caps_only=True)]
    source = SyntheticLines(faces, FewTexts("a"), seed=1)
    texts = [source.line(index)[1] for index in range(100)]
    assert 35 < texts.count("A") < 65


def test_blank_lines_are_labelled_empty(face: Callable[..., Face]) -> None:
    source = SyntheticLines([face()], FewTexts("text"), seed=1, blank_share=0.5)
    texts = [source.line(index)[1] for index in range(200)]
    assert 70 < texts.count("") < 130
    assert set(texts) == {"", "text"}


def test_a_caret_raises_what_follows_and_is_not_drawn(font: Path) -> None:
    plain, raised = drawn("xo", font), drawn("x^o", font)
    assert raised.ink[1] < plain.ink[1]
    assert raised.ink[2] < plain.ink[2]
    assert drawn("x ^", font).ink[2] > drawn("x", font).ink[2]


def test_a_note_is_raised_and_stands_alone_in_the_label(face: Callable[..., Face]) -> None:
    _, label = SyntheticLines([face()], FewTexts(f"xo{NOTE}12"), seed=1).line(0)
    assert label == "xo 12"


def test_a_note_looks_like_a_superscript(font: Path) -> None:
    assert drawn(f"x{NOTE}o", font).ink == drawn("x^o", font).ink


def test_the_last_letter_of_a_superscript_is_raised_too(font: Path) -> None:
    line = drawn("x^oo", font)
    column = line.mask[:, line.ink[2] - 5 : line.ink[2]]
    assert column[line.baseline - 4 : line.baseline].max() == 0


def test_spacing_makes_lines_wider(font: Path) -> None:
    def width(**changes: Any) -> int:
        left, _, right, _ = drawn("two words", font, Manner((0, 0, 0, 0), **changes)).ink
        return int(right - left)

    assert width(tracking=0.2, by_glyph=True) > width(tracking=0.0, by_glyph=True) > 0
    assert width(word_space=3.0) > width()
    assert width(cell=1.0, by_glyph=True) > width()


def test_letters_stand_in_cells_of_one_width(font: Path) -> None:
    def start(text: str) -> int:
        return int(drawn(text, font, Manner((0, 0, 0, 0), cell=1.0, by_glyph=True)).ink[2])

    assert abs((start("iiH") - start("H")) - (start("mmH") - start("H"))) <= 1


def test_long_lines_are_set_smaller(font: Path) -> None:
    assert drawn("m" * 300, font).mask.shape[1] < 2600


def test_neighbours_leave_the_line_itself_alone(font: Path) -> None:
    line = drawn("some words", font)
    before = line.mask.copy()
    _, top, _, bottom = line.ink
    add_neighbours(line, bottom - top, np.random.default_rng(0))
    assert np.array_equal(line.mask[top:bottom], before[top:bottom])
    assert line.mask[:top].any()
    assert line.mask[bottom:].any()


def test_a_crop_never_shows_a_whole_neighbour(face: Callable[..., Face]) -> None:
    generator = np.random.default_rng(2)
    for _ in range(200):
        mask = render_line("HHHH HHHH", face(), generator)
        inked = np.flatnonzero((mask > 128).mean(axis=1) > 0.25)
        gaps = np.flatnonzero(np.diff(inked) > 2)
        bands = np.split(inked, gaps + 1)
        heights = sorted(len(band) for band in bands)
        assert len(heights) == 1 or heights[-2] < 0.75 * heights[-1]


@pytest.mark.parametrize("sign", ["_", ".", "-"])
def test_a_lone_sign_has_a_crop_however_it_is_bent(sign: str, face: Callable[..., Face]) -> None:
    generator = np.random.default_rng(5)
    shapes = [render_line(sign, face("hand"), generator).shape for _ in range(600)]
    assert min(min(shape) for shape in shapes) >= 1


def test_no_bend_changes_nothing(font: Path) -> None:
    line = drawn("Straight", font)
    left, top, right, bottom = line.ink
    generator = np.random.default_rng(0)
    same = bent(line.mask, line.ink, line.baseline, line.unit, Bend(), generator)
    assert np.array_equal(same, line.mask[top:bottom, left:right])
    wide = bent(line.mask, line.ink, line.baseline, line.unit, Bend(stretch=2.0), generator)
    assert wide.shape == (bottom - top, 2 * (right - left))


def test_a_slant_leans_to_the_right(font: Path) -> None:
    line = drawn("l", font)
    left, top, right, bottom = line.ink
    box = (left - 30, top, right + 30, bottom)
    mask = bent(line.mask, box, line.baseline, line.unit, Bend(slant=0.5), np.random.default_rng(0))
    columns = [float(np.flatnonzero(row).mean()) for row in (mask[2], mask[-4])]
    assert columns[0] > columns[1] + 5


@pytest.mark.parametrize("text", ["i.", "j:", "Hello, world."])
def test_the_pen_keeps_dots(text: str, font: Path) -> None:
    line = drawn(text, font)
    for seed in range(20):
        written = pen_stroke(line.mask, line.unit, np.random.default_rng(seed))
        assert written.shape == line.mask.shape
        parts, drawn_parts = count_parts(line.mask > 110), count_parts(written > 40)
        assert drawn_parts >= parts, seed


def count_parts(ink: np.ndarray) -> int:
    import cv2

    return cv2.connectedComponents(ink.astype(np.uint8))[0] - 1


def test_worn_and_captured_lines_keep_their_size(font: Path) -> None:
    mask = drawn("Keeps 1.50", font).mask
    for seed in range(60):
        generator = np.random.default_rng(seed)
        assert worn_ink(mask, generator).shape == mask.shape
        grey = captured(255 - mask, "print", generator)
        assert (grey.shape, grey.dtype) == (mask.shape, np.uint8)


def test_blank_crops_have_the_size_asked_for_and_are_repeatable() -> None:
    for seed, (height, width) in enumerate([(8, 8), (20, 700), (64, 40), (31, 1)] * 20):
        first, again = (blank_line(height, width, np.random.default_rng(seed)) for _ in range(2))
        assert (first.mode, first.size) == ("L", (width, height))
        assert first.tobytes() == again.tobytes()


def test_a_font_without_hints_has_the_same_outlines(font: Path, tmp_path: Path) -> None:
    from fontTools.ttLib import TTFont

    changed = TTFont(font)
    remove_hints(changed)
    changed.save(tmp_path / "changed.ttf")
    before, after = TTFont(font), TTFont(tmp_path / "changed.ttf")
    assert after["maxp"].maxSizeOfInstructions == 0
    for name in before.getGlyphOrder():
        first, second = before["glyf"][name], after["glyf"][name]
        assert first.getCoordinates(before["glyf"])[0] == second.getCoordinates(after["glyf"])[0]
    ImageFont.truetype(tmp_path / "changed.ttf", 32).getmask("Text")


def test_a_missing_package_is_named() -> None:
    with pytest.raises(UsageError, match=r"not_there.*trocr\[train\]"), training_extra():
        import not_there  # noqa: F401


def test_the_set_does_not_depend_on_the_number_of_processes(lines: SyntheticLines) -> None:
    alone = list(labelled_lines(lines, 5, processes=1))
    assert list(labelled_lines(lines, 5, processes=2)) == alone
    assert [line.text for line in alone] == [lines.line(index)[1] for index in range(5)]


def test_a_contact_sheet_holds_every_line(lines: SyntheticLines, font: Path) -> None:
    few, many = (
        contact_sheet([lines.line(index) for index in range(count)], font) for count in (3, 10)
    )
    assert many.width == few.width
    assert many.height == 4 * few.height


@pytest.fixture
def fonts(font: Path, tmp_path: Path) -> Path:
    """A folder as ``scripts/fetch-fonts`` writes it, with one family of the training part."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    (folder / "face.ttf").write_bytes(font.read_bytes())
    face = {"file": "face.ttf", "family": "one", "kind": "print", "caps_only": False}
    index = {"characters": [string.printable[:95]], "faces": [{**face, "characters": 0}]}
    (folder / "faces.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def synth(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main(["synth", *map(str, arguments)])
    return int(exit_info.value.code or 0)


def test_synth_writes_a_set_and_a_sheet(
    fonts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("trocr.training.synthetic.texts.TextSource", lambda _: FewTexts(*TEXTS))
    out, sheet = tmp_path / "set", tmp_path / "sheet.png"
    options = ("--fonts", fonts, "--texts", tmp_path, "--count", 7, "--blank-share", 0.3)
    assert synth(out, *options, "--kind", "print", "--preview", sheet) == 0
    assert capsys.readouterr().out == f"{out}\n"
    written = list(read_labelled_lines(out))
    assert [line.file for line in written] == [f"images/{index:07}.png" for index in range(7)]
    assert {line.text for line in written} <= {"", *TEXTS}
    assert Image.open(sheet).width > 1000


def test_synth_says_that_it_cannot_write(
    fonts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("trocr.training.synthetic.texts.TextSource", lambda _: FewTexts(*TEXTS))
    options = ("--fonts", fonts, "--texts", tmp_path, "--count", 1)
    assert synth(fonts / "faces.json", *options) == 2
    assert synth(tmp_path / "set", *options, "--preview", tmp_path / "no" / "sheet.png") == 2
    assert capsys.readouterr().err.count("Cannot write") == 2


def test_synth_says_which_folder_is_wrong(tmp_path: Path, capsys: Any) -> None:
    assert synth(tmp_path / "set", "--fonts", tmp_path, "--texts", tmp_path) == 5
    assert "faces.json" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
