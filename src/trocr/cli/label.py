"""``trocr label``: what was read is corrected, and becomes lines to learn from."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ImageError, UsageError
from ..hub import check_new_folder

if TYPE_CHECKING:
    from ..corrections import Applied
    from ..labelled_lines import SkippedLine

LIMIT = 500  # what one page shows without being asked for more


def label(
    documents: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="What `trocr read -o DIR --format json` (or page, alto) wrote."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="A new folder for the result."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Of the pages that were read. Default: where DIR says they are."
        ),
    ] = None,
    below: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, metavar="P", help="Only lines of less confidence, 0-1."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"No more than N lines. Default: {LIMIT}."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="N lines at random instead, for an honest score."),
    ] = None,
    corrections: Annotated[
        Path | None,
        typer.Option("--apply", metavar="FILE", help="Corrections, to make a training set of."),
    ] = None,
    corrected: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="With --apply: a new folder for DIR's documents, corrected."
        ),
    ] = None,
) -> None:
    """Correct the least certain lines, and learn from them.

    First a list to work through, least confident lines first: FOLDER gets worklist.html, a page
    that works offline and by keyboard, and worklist.tsv and pictures of the lines for who would
    rather use an editor. Then the corrections, downloaded from the page or made in the table,
    become a training set, and with --corrected documents. Only lines that somebody confirmed or
    corrected count.

    \b
    trocr read scans/ -o read/ --format json
    trocr label read/ -o work/ --below 0.9
    trocr label read/ --apply corrections.tsv -o letters/
    trocr label read/ --apply corrections.tsv --corrected final/

    Lines and pages that cannot be used are named on standard error, and make the exit code 3.
    """
    if corrections is None:
        if corrected is not None:
            raise UsageError("--corrected needs corrections.", "Give them with --apply.")
        if out is None:
            raise UsageError("There is no place for the list.", "Name a new folder with -o.")
        check_new_folder(out)
        if sample is not None and (below is not None or limit is not None):
            raise UsageError("--sample takes lines of any confidence.", "Leave out the others.")
        choice = {"below": below, "limit": sample or limit or LIMIT, "sample": sample}
        skipped = _list(documents, out, images, choice)
    else:
        if any(each is not None for each in (below, limit, sample)):
            raise UsageError(
                "--below, --limit and --sample choose lines to correct.", "Leave them out."
            )
        if out is None and corrected is None:
            raise UsageError("There is nothing to make.", "Name a set with -o, or --corrected.")
        for folder in filter(None, (out, corrected)):
            check_new_folder(folder)
        skipped = _apply(documents, corrections, out, corrected, images)
    for each in skipped:
        print(f"trocr: {each.where}: {each.reason}", file=sys.stderr)
    if skipped:
        raise typer.Exit(ImageError.exit_code)


def _list(
    documents: Path, out: Path, images: Path | None, choice: dict[str, Any]
) -> Sequence[SkippedLine]:
    from ..corrections import WEB_PAGE, choose, find_lines, write_worklist
    from ..line_pages import counted

    lines, skipped = find_lines(documents)
    wanted = choose(lines, **choice)
    if not wanted:
        print(f"nothing to correct, of {counted(len(lines), 'line')}", flush=True)
        return skipped
    found, without = write_worklist(wanted, documents, out, images)
    pages = counted(len({line.page for line in found}), "page")
    chosen = f"{len(found):,} of {counted(len(lines), 'line')}"
    print(f"{chosen}, from {pages}: {out / WEB_PAGE}", flush=True)
    return [*skipped, *without]


def _apply(
    documents: Path,
    corrections: Path,
    out: Path | None,
    corrected: Path | None,
    images: Path | None,
) -> Sequence[SkippedLine]:
    from ..corrections import apply_corrections, read_corrections

    decided, skipped = read_corrections(corrections)
    if not decided:
        raise UsageError(f"{corrections} decides nothing.", "Confirm or correct some lines first.")
    applied = apply_corrections(documents, decided, out=out, documents=corrected, images=images)
    print(*_rows(applied, out, corrected), sep="\n", flush=True)
    return [*skipped, *applied.skipped]


def _rows(applied: Applied, out: Path | None, corrected: Path | None) -> list[str]:
    from ..line_pages import counted

    rows = [
        f"read right: {applied.right}, corrected: {applied.corrected}, no text: {applied.not_text}"
    ]
    if applied.cer is not None:
        rows.append(f"CER of these lines as they were read: {applied.cer:.2f} %")
    if out is not None:
        rows.append(f"{counted(applied.written, 'line')} to learn from: {out}")
    if corrected is not None:
        rows.append(f"{counted(len(applied.documents), 'corrected document')}: {corrected}")
    return rows
