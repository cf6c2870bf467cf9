"""A font without shapes for text that is found and copied, but not seen."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from .characters import for_xml

if TYPE_CHECKING:
    from pikepdf import Object, Pdf

# In thousandths of the font size. Ascent and descent add up to the size, so that viewers and
# extractors take the height of the text to be the size.
ADVANCE, ASCENT, DESCENT = 500, 800, -200
NAME = "TrOCR-Glyphless"
_MOST_IN_A_BLOCK = 100  # entries of one bfchar block
_MOST_CODES = 0xFFFF


def clusters(text: str) -> list[str]:
    """Characters, each with the marks that combine with it."""
    found: list[str] = []
    for character in text:
        if found and (
            unicodedata.category(character)[0] == "M" or "\u200d" in (character, found[-1][-1])
        ):
            found[-1] += character
        else:
            found.append(character)
    return found


class GlyphlessFont:
    """Codes for the characters of one PDF: all of Unicode, in any number of scripts.

    Each character (with its marks) that occurs gets the next two-byte code; ``ToUnicode`` says
    what it stands for. All are drawn by one glyph without a shape.

    Args:
        key: its name among the resources of pages.
    """

    def __init__(self, key: str = "TrOCRText") -> None:
        self.key = key
        self._codes: dict[str, int] = {}

    def encode(self, cells: Iterable[str]) -> str:
        """The codes, hexadecimal."""
        return "".join(f"{self._code(for_xml(cell)):04X}" for cell in cells)

    def _code(self, cell: str) -> int:
        if cell not in self._codes and len(self._codes) == _MOST_CODES:
            cell = next(iter(self._codes))  # more kinds of characters than a font has codes
        return self._codes.setdefault(cell, len(self._codes) + 1)

    def embed(self, pdf: Pdf) -> Object:
        """Its dictionary, complete for the characters that were encoded so far."""
        from pikepdf import Array, Dictionary, Name

        program = _truetype()
        file = pdf.make_stream(program, Length1=len(program))
        descriptor = Dictionary(
            Type=Name.FontDescriptor,
            FontName=Name("/" + NAME),
            Flags=5,  # fixed pitch, symbolic
            FontBBox=Array([0, DESCENT, ADVANCE, ASCENT]),
            ItalicAngle=0,
            Ascent=ASCENT,
            Descent=DESCENT,
            CapHeight=ASCENT,
            StemV=80,
            FontFile2=file,
        )
        system = Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0)
        # Glyph 1 for every code: PDF/A forbids glyph 0, .notdef.
        glyphs = pdf.make_stream(b"\0\0" + b"\0\1" * len(self._codes))
        descendant = Dictionary(
            Type=Name.Font,
            Subtype=Name.CIDFontType2,
            BaseFont=Name("/" + NAME),
            CIDSystemInfo=system,
            FontDescriptor=pdf.make_indirect(descriptor),
            DW=ADVANCE,
            CIDToGIDMap=glyphs,
        )
        return pdf.make_indirect(
            Dictionary(
                Type=Name.Font,
                Subtype=Name.Type0,
                BaseFont=Name("/" + NAME),
                Encoding=Name("/Identity-H"),
                DescendantFonts=Array([pdf.make_indirect(descendant)]),
                ToUnicode=pdf.make_stream(self._to_unicode()),
            )
        )

    def _to_unicode(self) -> bytes:
        entries = [
            f"<{code:04X}> <{cell.encode('utf-16-be').hex().upper()}>"
            for cell, code in self._codes.items()
        ]
        blocks = [
            entries[start : start + _MOST_IN_A_BLOCK]
            for start in range(0, len(entries), _MOST_IN_A_BLOCK)
        ]
        maps = [
            f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks
        ]
        return "\n".join(
            [
                "/CIDInit /ProcSet findresource begin",
                "12 dict begin",
                "begincmap",
                "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def",
                "/CMapName /Adobe-Identity-UCS def",
                "/CMapType 2 def",
                "1 begincodespacerange",
                "<0000> <FFFF>",
                "endcodespacerange",
                *maps,
                "endcmap",
                "CMapName currentdict /CMap defineresource pop",
                "end",
                "end\n",
            ]
        ).encode("ascii")


@lru_cache(maxsize=1)
def _truetype() -> bytes:
    """A TrueType program whose one glyph is a line without width across its cell.

    PDFium takes the place of a character from the outline's bounds, and drops what has none.
    """
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((0, DESCENT))
    pen.lineTo((ADVANCE, ASCENT))
    pen.lineTo((ADVANCE // 2, (DESCENT + ASCENT) // 2))
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.font.recalcTimestamp = False
    builder.setupGlyphOrder([".notdef", "cell"])
    builder.setupCharacterMap({0x20: "cell"})
    builder.setupGlyf(dict.fromkeys((".notdef", "cell"), pen.glyph()))
    builder.setupHorizontalMetrics({".notdef": (ADVANCE, 0), "cell": (ADVANCE, 0)})
    builder.setupHorizontalHeader(ascent=ASCENT, descent=DESCENT)
    builder.setupNameTable({"familyName": NAME, "styleName": "Regular", "psName": NAME})
    builder.setupOS2(sTypoAscender=ASCENT, sTypoDescender=DESCENT, usWinAscent=ASCENT)
    builder.setupPost(isFixedPitch=1)
    builder.font["head"].created = builder.font["head"].modified = 0  # the same bytes every time
    out = io.BytesIO()
    builder.save(out)
    return out.getvalue()
