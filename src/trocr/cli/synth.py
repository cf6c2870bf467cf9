"""``trocr synth``: labelled lines made from fonts and texts."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

PREVIEWED = 60  # lines on the sheet of --preview


class Kind(str, Enum):
    """What the faces imitate."""

    print = "print"
    hand = "hand"


class Part(str, Enum):
    """Which families of faces are used; no two parts share one."""

    train = "train"
    validation = "validation"
    test = "test"


def synth(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write the set to.")],
    fonts: Annotated[Path, typer.Option(metavar="FOLDER", help="From scripts/fetch-fonts.")],
    texts: Annotated[Path, typer.Option(metavar="FOLDER", help="From scripts/collect-texts.")],
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Lines to make.")] = 1000,
    kind: Annotated[Kind | None, typer.Option(help="Only these faces.")] = None,
    part: Annotated[Part, typer.Option(help="Families of faces.")] = Part.train,
    seed: Annotated[int, typer.Option(min=0, metavar="S", help="Another seed, other lines.")] = 0,
    blank_share: Annotated[
        float, typer.Option(min=0, max=1, metavar="X", help="Crops without text.")
    ] = 0.0,
    processes: Annotated[int, typer.Option(min=1, metavar="N", help="Best one a core.")] = 1,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Also write a PNG of the first {PREVIEWED} lines."),
    ] = None,
) -> None:
    """Make a labelled set of rendered lines, printed or handwritten.

    The same options give the same set, whatever the number of processes.

    \b
    trocr synth lines --fonts fonts --texts texts --count 1000 --preview sheet.png
    trocr evaluate lines --protocol cer
    """
    from ..errors import UsageError
    from ..labelled_lines import write_labelled_lines
    from ..training.synthetic import training_extra

    with training_extra():
        from ..training.synthetic import fonts as font_index
        from ..training.synthetic import lines, sheets
        from ..training.synthetic import texts as text_source

    faces = font_index.read_faces(fonts, kind and kind.value, part.value)
    source = lines.SyntheticLines(faces, text_source.TextSource(texts), seed, blank_share)
    try:
        if preview:
            shown = [source.line(index) for index in range(min(count, PREVIEWED))]
            captions = font_index.read_faces(fonts, None, part.value)
            legible = max(captions, key=lambda face: (face.kind == "print", len(face.characters)))
            sheets.contact_sheet(shown, legible.path).save(preview, "PNG")
        write_labelled_lines(sheets.labelled_lines(source, count, processes), out)
    except OSError as error:
        raise UsageError(f"Cannot write the lines: {error}.", "Choose another place.") from None
    print(out)
