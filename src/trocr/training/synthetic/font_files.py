"""From fontsource packages to one font file per face and the index that ``fonts`` reads."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from .fonts import INDEX
from .hinting import remove_hints
from .texts import VOCABULARY

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

WEIGHTS = (300, 400, 700)
STYLES = ("normal", "italic")
_VERTICAL = frozenset({"vhea", "vmtx", "VORG"})  # metrics of lines that run down
_SIGNS = "".join(character for character in VOCABULARY if not character.isalpha())
_SAME_SHAPE = 0.75  # correlation of a small letter with its capital, both scaled to one square
_DIFFERENT_BY_CASE = "abdeghmnqrt"


class Source(NamedTuple):
    """The files of one face.

    ``latin`` has most of it, ``extended`` more letters of the same design, and ``donor``, of
    another design, has signs that hardly any face has (→ ‰ ⋎ №).
    """

    family: str
    name: str
    latin: Path
    extended: Path | None
    donor: Path | None


def sources(packages: Path, excluded: Collection[str], donor: str) -> Iterator[Source]:
    """Faces of the fontsource packages in a folder: weights 300, 400 and 700, both styles.

    A family without these weights gives the one nearest to 400.
    """

    def existing(family: str, subset: str, face: str) -> Path | None:
        path = packages / family / "files" / f"{family}-{subset}-{face}.woff"
        return path if path.exists() else None

    for family in sorted(package.name for package in packages.iterdir()):
        if family in excluded:
            continue
        for weight, style in _weights_and_styles(packages / family):
            face = f"{weight}-{style}"
            yield Source(
                family,
                f"{family}-{face}",
                packages / family / "files" / f"{family}-latin-{face}.woff",
                existing(family, "latin-ext", face),
                existing(donor, "latin", "700-normal" if weight >= 600 else "400-normal"),
            )


def _weights_and_styles(package: Path) -> Iterator[tuple[int, str]]:
    for style in STYLES:
        found = [
            int(path.name.removeprefix(f"{package.name}-latin-").split("-")[0])
            for path in package.glob(f"files/{package.name}-latin-[0-9]*-{style}.woff")
        ]
        chosen = [weight for weight in WEIGHTS if weight in found]
        for weight in chosen or sorted(found, key=lambda weight: abs(weight - 400))[:1]:
            yield weight, style


def build_index(folder: Path, packages: Path, families: Mapping[str, Any]) -> int:
    """Write one font file per face under ``folder/faces``, and ``folder/faces.json``.

    Every file is replaced as a whole, so that who reads the old ones goes on reading them.

    Args:
        folder: where to write.
        packages: ``node_modules/@fontsource``.
        families: ``"hand"``: families of kind hand; ``"excluded"``: families to leave out;
            ``"caps_only"``: families whose capitals ``is_caps_only`` does not see; ``"donor"``:
            the family that lends signs to those that lack them.

    Returns:
        How many faces there are.
    """
    (folder / "faces").mkdir(parents=True, exist_ok=True)
    sets: dict[str, int] = {}
    rows = []
    for source in sources(packages, families["excluded"], families["donor"]):
        file = folder / "faces" / f"{source.name}.ttf"
        font = merged(source)
        with _replaced(file) as stream:
            font.save(stream)
        characters = "".join(sorted(drawn_characters(font)))
        rows.append(
            {
                "file": str(file.relative_to(folder)),
                "family": source.family,
                "kind": "hand" if source.family in families["hand"] else "print",
                "caps_only": source.family in families["caps_only"] or is_caps_only(file),
                "characters": sets.setdefault(characters, len(sets)),
            }
        )
    index = json.dumps({"characters": list(sets), "faces": rows}, ensure_ascii=False)
    with _replaced(folder / INDEX) as stream:
        stream.write(index.encode())
    return len(rows)


@contextmanager
def _replaced(path: Path) -> Iterator[BinaryIO]:
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        yield stream
    partial.replace(path)


def merged(source: Source) -> TTFont:
    """One font with what the files of a face draw of the vocabulary, without hinting.

    What the second and third file add has no kerning. Fonts without TrueType outlines add nothing.
    """
    from fontTools.ttLib import TTFont

    font = TTFont(source.latin)
    font.flavor = None
    for table in _VERTICAL.intersection(font.keys()):
        del font[table]
    if source.extended:
        _add_characters(font, TTFont(source.extended), VOCABULARY)
    if source.donor:
        donor = _opened(source.donor)
        _add_characters(font, donor, _SIGNS, _capital_height(font) / _capital_height(donor))
    remove_hints(font)
    return font


@cache
def _opened(path: Path) -> TTFont:
    from fontTools.ttLib import TTFont

    return TTFont(path)


def _capital_height(font: TTFont) -> float:
    from fontTools.pens.boundsPen import BoundsPen

    pen = BoundsPen(font.getGlyphSet())
    font.getGlyphSet()[font.getBestCmap()[ord("H")]].draw(pen)
    return float(pen.bounds[3])


def _add_characters(font: TTFont, other: TTFont, characters: str, scale: float = 1) -> None:
    """Draw into ``font`` what it lacks of the characters and ``other`` has."""
    from fontTools.pens.recordingPen import DecomposingRecordingPen
    from fontTools.pens.transformPen import TransformPen
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    if "glyf" not in font or "glyf" not in other:
        return
    known, cmap, glyphs = font.getBestCmap(), other.getBestCmap(), other.getGlyphSet()
    codes = [ord(sign) for sign in characters if ord(sign) in cmap and ord(sign) not in known]
    names = {code: f"added{code:04X}" for code in codes}
    font.setGlyphOrder([*font.getGlyphOrder(), *names.values()])
    for code, name in names.items():
        outline, pen = DecomposingRecordingPen(glyphs), TTGlyphPen(None)
        glyphs[cmap[code]].draw(outline)
        outline.replay(TransformPen(pen, (scale, 0, 0, scale, 0, 0)))
        font["glyf"][name] = pen.glyph()
        width, left = other["hmtx"][cmap[code]]
        font["hmtx"][name] = round(width * scale), round(left * scale)
        for table in font["cmap"].tables:
            if table.isUnicode():
                table.cmap[code] = name


def drawn_characters(font: TTFont) -> set[str]:
    """The characters of the vocabulary with a visible glyph, and the space."""
    cmap, glyphs = font.getBestCmap(), font.getGlyphSet()
    missing = _outline(glyphs, ".notdef") if ".notdef" in glyphs else []
    drawn = {
        character
        for character in VOCABULARY
        if (name := cmap.get(ord(character))) and _outline(glyphs, name) not in ([], missing)
    }
    return drawn | ({" "} & set(map(chr, cmap)))


def _outline(glyphs: Any, name: str) -> list[Any]:
    from fontTools.pens.recordingPen import DecomposingRecordingPen

    pen = DecomposingRecordingPen(glyphs)
    glyphs[name].draw(pen)
    return list(pen.value)


def is_caps_only(file: Path) -> bool:
    """Whether small letters have the shapes of capitals, at whatever size."""
    font = ImageFont.truetype(file, 64)
    alike = [
        np.corrcoef(_shape(font, letter), _shape(font, letter.upper()))[0, 1]
        for letter in _DIFFERENT_BY_CASE
    ]
    return float(np.nanmedian(alike)) > _SAME_SHAPE


def _shape(font: ImageFont.FreeTypeFont, letter: str) -> NDArray[np.float32]:
    """A letter scaled to a square, blurred and flattened."""
    picture = Image.new("L", (256, 256))
    ImageDraw.Draw(picture).text((64, 64), letter, fill=255, font=font)
    square = picture.crop(picture.getbbox()).resize((32, 32))
    return np.asarray(square.filter(ImageFilter.GaussianBlur(1.5)), np.float32).ravel()
