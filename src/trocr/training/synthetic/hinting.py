"""Fonts without hinting: scans are not snapped to a pixel grid, and hinting is slow."""

from __future__ import annotations

from typing import Any

# What a program may contain so that FreeType finds hinting present, and does not make up its own.
_EMPTY_FUNCTION = ["PUSHB[ ]", "0", "FDEF[ ]", "ENDF[ ]"]
_HINTS = ("fpgm", "prep", "cvt ", "cvar", "gasp", "hdmx", "VDMX", "LTSH")


def remove_hints(font: Any) -> None:
    """Empty every hinting program of a ``fontTools.ttLib.TTFont`` with TrueType outlines.

    Such a font is drawn in less than half the time. Others are left as they are.
    """
    from fontTools.ttLib import newTable
    from fontTools.ttLib.tables.ttProgram import Program

    if "glyf" not in font:
        return
    for table in _HINTS:
        if table in font:
            del font[table]
    glyphs = font["glyf"]
    for name in glyphs.keys():  # noqa: SIM118  (the table is no mapping)
        glyphs[name].expand(glyphs)
        glyphs[name].removeHinting()
    font["fpgm"] = newTable("fpgm")
    font["fpgm"].program = Program()
    font["fpgm"].program.fromAssembly(_EMPTY_FUNCTION)
    limits = font["maxp"]
    limits.maxFunctionDefs, limits.maxStackElements, limits.maxStorage = 1, 64, 0
    limits.maxInstructionDefs, limits.maxSizeOfInstructions = 0, 0
