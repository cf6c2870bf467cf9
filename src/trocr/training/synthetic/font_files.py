"""From fontsource packages to one font file per face and the index that ``fonts`` reads."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from .fonts import INDEX
from .texts import VOCABULARY

WEIGHTS = (300, 400, 700)
STYLES = ("normal", "italic")
# What the second file brings there is hinting, or nothing that shows.
_DROPPED = ["DSIG", "FFTM", "GDEF", "LTSH", "VDMX", "gasp", "hdmx", "kern", "meta", "STAT"]
_SAME_SHAPE = 0.7  # overlap of a small letter with its capital, both scaled to one box
_DIFFERENT_BY_CASE = "abdeghlmnqrt"


class Source(NamedTuple):
    """The files of one face: ``extended`` (Latin Extended) is None where there is none."""

    family: str
    name: str
    latin: Path
    extended: Path | None


def sources(packages: Path, excluded: Collection[str]) -> Iterator[Source]:
    """Faces of the fontsource packages in a folder: weights 300, 400 and 700, both styles.

    A family without these weights gives the one nearest to 400.
    """
    for package in sorted(packages.iterdir()):
        family, files = package.name, package / "files"
        if family in excluded or not files.is_dir():
            continue
        for style in STYLES:
            found = {
                int(path.name.removeprefix(f"{family}-latin-").split("-")[0]): path
                for path in files.glob(f"{family}-latin-[0-9]*-{style}.woff2")
            }
            near = [min(found, key=lambda weight: abs(weight - 400))] if found else []
            for weight in [weight for weight in WEIGHTS if weight in found] or near:
                extended = files / f"{family}-latin-ext-{weight}-{style}.woff2"
                yield Source(
                    family,
                    f"{family}-{weight}-{style}",
                    found[weight],
                    extended if extended.exists() else None,
                )


def build_index(folder: Path, packages: Path, families: Mapping[str, Any]) -> int:
    """Write one font file per face under ``folder/faces``, and ``folder/faces.json``.

    Args:
        folder: where to write.
        packages: ``node_modules/@fontsource``.
        families: ``"hand"``: families of kind hand; ``"excluded"``: families to leave out.

    Returns:
        How many faces there are.
    """
    (folder / "faces").mkdir(parents=True, exist_ok=True)
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    sets: dict[str, int] = {}
    rows = []
    for source in sources(packages, families["excluded"]):
        file = folder / "faces" / f"{source.name}.ttf"
        font = merged(source)
        font.save(file)
        characters = "".join(sorted(drawn_characters(font)))
        rows.append(
            {
                "file": str(file.relative_to(folder)),
                "family": source.family,
                "kind": "hand" if source.family in families["hand"] else "print",
                "caps_only": is_caps_only(file),
                "characters": sets.setdefault(characters, len(sets)),
            }
        )
    index = {"characters": list(sets), "faces": rows}
    (folder / INDEX).write_text(json.dumps(index, ensure_ascii=False), encoding="utf-8")
    return len(rows)


def merged(source: Source) -> Any:
    """A ``fontTools.ttLib.TTFont`` with what the two files draw of the vocabulary.

    Where the files do not fit each other, the face has its first file only.
    """
    from fontTools.ttLib import TTFont

    latin = TTFont(source.latin)
    latin.flavor = None
    return latin


def drawn_characters(font: Any) -> set[str]:
    """The characters of the vocabulary with a visible glyph, and the space."""
    from fontTools.pens.recordingPen import DecomposingRecordingPen

    glyphs = font.getGlyphSet()

    def outline(name: str) -> list[Any]:
        pen = DecomposingRecordingPen(glyphs)
        glyphs[name].draw(pen)
        return pen.value

    cmap = font.getBestCmap()
    missing = outline(".notdef") if ".notdef" in glyphs else []
    drawn = {
        character
        for character in VOCABULARY
        if (name := cmap.get(ord(character))) and outline(name) not in ([], missing)
    }
    return drawn | ({" "} & set(map(chr, cmap)))


def is_caps_only(file: Path) -> bool:
    """Whether small letters have the shapes of capitals, at any size."""
    font = ImageFont.truetype(file, 64)
    overlaps = [
        _overlap(_shape(font, letter), _shape(font, letter.upper()))
        for letter in _DIFFERENT_BY_CASE
    ]
    return float(np.median(overlaps)) > _SAME_SHAPE


def _shape(font: ImageFont.FreeTypeFont, letter: str) -> NDArray[np.bool_]:
    picture = Image.new("L", (256, 256))
    ImageDraw.Draw(picture).text((64, 64), letter, fill=255, font=font)
    return np.asarray(picture.crop(picture.getbbox()).resize((32, 32))) > 127


def _overlap(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float((first & second).sum() / max((first | second).sum(), 1))
