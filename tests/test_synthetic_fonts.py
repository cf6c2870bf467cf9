"""Fonts of synthetic lines: one file per face, what it draws, and who may train on it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image, ImageDraw, ImageFont

from trocr.errors import DataError, UsageError
from trocr.training.synthetic.font_files import build_index
from trocr.training.synthetic.fonts import PARTS, Face, part_of, read_faces

CONFIGS = Path(__file__).parent.parent / "configs/fonts"
SMALL, CAPITALS = "abdeghmnqrt", "ABDEGHMNQRT"
FAMILIES = {"hand": ["pen"], "excluded": ["stars"], "caps_only": [], "donor": "lender"}


Figure = list[tuple[int, int, int, int]]  # boxes: left, bottom, right, top
MISSING: Figure = [(50, 0, 450, 700)]


def glyph(figure: Figure) -> object:
    pen = TTGlyphPen(None)
    for left, bottom, right, top in figure:
        pen.moveTo((left, bottom))
        for point in [(left, top), (right, top), (right, bottom)]:
            pen.lineTo(point)
        pen.closePath()
    return pen.glyph()


def pattern(seed: int, size: int) -> Figure:
    """Cells of a square grid, other ones for each seed, the same at every size."""
    rng, cell = Random(seed), size // 4
    places = [(column, row) for column in range(4) for row in range(4)]
    chosen = {(0, 0), (3, 3), *(place for place in places if rng.random() < 0.5)}
    return [(x * cell, y * cell, (x + 1) * cell, (y + 1) * cell) for x, y in sorted(chosen)]


def write_font(path: Path, figures: dict[str, Figure]) -> None:
    names = {character: f"g{ord(character):04X}" for character in figures}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap({ord(character): name for character, name in names.items()})
    outlines = {names[character]: glyph(figure) for character, figure in figures.items()}
    builder.setupGlyf({".notdef": glyph(MISSING), **outlines})
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names.values()], (1000, 0)))
    builder.setupHorizontalHeader(ascent=900, descent=-200)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.font.flavor = "woff"
    path.parent.mkdir(parents=True, exist_ok=True)
    builder.save(path)


def alphabet(small_like_capitals: bool) -> dict[str, Figure]:
    capitals = {letter: pattern(ord(letter), 700) for letter in CAPITALS}
    seeds = CAPITALS if small_like_capitals else SMALL
    small = {letter: pattern(ord(seed), 500) for letter, seed in zip(SMALL, seeds, strict=True)}
    return {" ": [], **capitals, **small}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fonts")
    packages = folder / "node_modules/@fontsource"

    def write(family: str, face: str, figures: dict[str, Figure]) -> None:
        write_font(packages / family / "files" / f"{family}-{face}.woff", figures)

    write("book", "latin-400-normal", alphabet(False) | {"f": [], "j": MISSING})
    write("book", "latin-ext-400-normal", {"ő": pattern(5, 600), "a": pattern(9, 700)})
    write("book", "latin-700-italic", alphabet(False))
    write("book", "latin-900-normal", alphabet(False))
    write("pen", "latin-500-normal", alphabet(False))
    write("banner", "latin-400-normal", alphabet(True))
    write("lender", "latin-400-normal", alphabet(False) | {"→": pattern(3, 700), "é": MISSING})
    write("stars", "latin-400-normal", alphabet(False))
    assert build_index(folder, packages, FAMILIES) == 5
    return folder


def every_face(folder: Path) -> dict[str, Face]:
    found = {}
    for part in PARTS:
        try:
            found.update({face.path.stem: face for face in read_faces(folder, None, part)})
        except DataError:
            continue  # five families need not fill three parts
    return found


def test_faces_of_the_wanted_weights_and_kinds(folder: Path) -> None:
    faces = every_face(folder)
    assert set(faces) == {
        "book-400-normal",
        "book-700-italic",
        "pen-500-normal",
        "banner-400-normal",
        "lender-400-normal",
    }
    assert {face.family for face in faces.values() if face.kind == "hand"} == {"pen"}
    assert {face.family for face in faces.values() if face.caps_only} == {"banner"}


def test_a_face_has_what_it_visibly_draws(folder: Path) -> None:
    characters = every_face(folder)["book-400-normal"].characters
    assert characters == {" ", *SMALL, *CAPITALS, "ő", "→"}
    assert "é" not in characters  # a letter is never lent


def test_added_letters_are_drawn_and_the_others_stay(folder: Path) -> None:
    faces = every_face(folder)

    def drawn(face: Face, text: str) -> Image.Image:
        picture = Image.new("L", (200, 150))
        font = ImageFont.truetype(face.path, 100)
        ImageDraw.Draw(picture).text((10, 10), text, fill=255, font=font)
        return picture

    book, other = faces["book-400-normal"], faces["pen-500-normal"]
    assert drawn(book, "a").tobytes() == drawn(other, "a").tobytes()
    assert drawn(book, "ő").getbbox() == (10, 40, 70, 100)
    assert drawn(book, "→").getbbox() == drawn(faces["lender-400-normal"], "→").getbbox()


def test_parts_share_no_family_and_have_their_sizes() -> None:
    parts = Counter(part_of(f"family-{number}") for number in range(4000))
    assert {name: round(count / 4000, 2) for name, count in parts.items()} == pytest.approx(
        {"train": 0.9, "validation": 0.05, "test": 0.05}, abs=0.02
    )
    # Kept for ever, or a model would be tested on what it was trained on.
    kept = {"inter": "train", "tinos": "test", "montserrat": "validation"}
    assert {family: part_of(family) for family in kept} == kept


def test_what_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fetch-fonts"):
        read_faces(tmp_path, None, "train")
    with pytest.raises(UsageError, match="validation"):
        read_faces(folder, None, "practice")
    with pytest.raises(UsageError, match="hand"):
        read_faces(folder, "written", "train")


def test_the_classified_families_are_pinned() -> None:
    pinned = json.loads((CONFIGS / "package.json").read_text(encoding="utf-8"))["dependencies"]
    families = json.loads((CONFIGS / "families.json").read_text(encoding="utf-8"))
    named = {*families["hand"], *families["excluded"], *families["caps_only"], families["donor"]}
    assert {f"@fontsource/{family}" for family in named} <= set(pinned)
    assert all(version[0].isdigit() for version in pinned.values())
