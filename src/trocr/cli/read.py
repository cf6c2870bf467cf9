"""``trocr read``: pictures, PDFs and folders to documents."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ImageError, UsageError
from .options import (
    DEFAULT_MODEL,
    Allow,
    BatchSize,
    BoxFiles,
    ChosenModel,
    Detector,
    Device,
    Dpi,
    Draft,
    KeepText,
    Layout,
    Lexicon,
    Model,
    NumBeams,
    PageRanges,
    Password,
    Regex,
    SingleLines,
    Template,
    rule_of,
)

STDIN = "-"


def read(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES",
            help="Pictures, TIFFs, PDFs, folders, patterns, URLs; - is standard input.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Where the documents go; or the name of a file, for one source. "
            "Default, and -: standard output.",
        ),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAMES",
            help="txt, md, json, jsonl, tsv, hocr, alto, page, pdf, overlay, html; several with "
            "commas. Default: by the name of the file, else txt.",
        ),
    ] = None,
    template: Template = None,
    layout: Layout = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Read again what is done, and replace its files.")
    ] = False,
    pages: PageRanges = None,
    password: Password = None,
    dpi: Dpi = None,
    keep_text: KeepText = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="URLs may lead to private addresses.")
    ] = False,
    lines: SingleLines = False,
    detector: Detector = "auto",
    boxes: BoxFiles = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    draft: Draft = None,
    num_beams: NumBeams = None,
    allow: Allow = None,
    regex: Regex = None,
    lexicon: Lexicon = None,
    batch_size: BatchSize = 32,
) -> None:
    """Read whole pages: their lines are found, read, and put in order.

    \b
    Text on standard output:
      trocr read receipt.jpg
      trocr read scan.pdf --pages 1-3 --layout
      curl -s https://example.org/scan.png | trocr read -

    \b
    Documents, one for each source, in a tree like theirs:
      trocr read scan.pdf -o searchable.pdf
      trocr read scans/ -o out/ --format txt,pdf,alto
      trocr read scans/ -o out/ --format html       to look at what is doubtful

    \b
    Run the same command again and it goes on where it was stopped: sources whose files are all
    there are skipped, and pages of an unfinished one are not read twice. Files that exist are
    never replaced without --overwrite.

    \b
    Pictures of lines, cut out before:
      trocr read --lines lines/*.png --format json > lines.jsonl
      trocr read --lines amount.png --allow "0-9.,"
      trocr read --lines date.png --regex "[0-9]{2}/[0-9]{2}/[0-9]{4}"
      trocr read --lines town.png --lexicon towns.txt

    \b
    Exit codes: 0 fine; 2 wrong usage; 3 some pages or files could not be read, the others were;
    4 the model, 5 the boxes cannot be read; 6 the output cannot be written; 130 interrupted.
    """
    reading = {"num_beams": num_beams, "batch_size": batch_size, **rule_of(allow, regex, lexicon)}
    chosen = ChosenModel(model, device, draft)
    if lines:
        _read_lines(files, out, output or [], chosen, reading)
        return
    from ..pages.selection import parse_selection
    from ..writers import WITHOUT_WORDS, Options
    from .documents import read_documents
    from .outputs import formats_of, plan
    from .request import Request, check_standard_output, rehearse
    from .tally import Tally

    if files.count(STDIN) > 1:
        raise UsageError("- stands for one file on standard input.", "Give it once.")
    folder = None if out in (None, STDIN) else Path(str(out))
    options = Options(password=password, layout=layout, template=template)
    formats = formats_of(output or [], folder, options)
    parse_selection(pages)
    jobs, failures = plan(files, folder, formats, options)
    todo = [job for job in jobs if overwrite or not job.is_done]
    if folder is None:
        check_standard_output(formats, len(jobs))

    from ..pipeline import Boxes, Settings

    settings = Settings(
        detector=detector,
        boxes=Boxes(boxes) if boxes else None,
        keep_text=keep_text,
        words=layout or not set(formats) <= WITHOUT_WORDS,
        **reading,
    )
    request = Request(formats, options, settings, pages, password, dpi, allow_private, overwrite)
    rehearse(formats, options)
    tally = Tally(done_before=len(jobs) - len(todo))
    read_documents(todo, failures, request, chosen, tally)
    if folder:
        print(*tally.rows(), sep="\n", file=sys.stderr)
    if tally.failures:
        raise typer.Exit(ImageError.exit_code)


def _read_lines(
    files: Sequence[str],
    out: str | None,
    formats: Sequence[str],
    model: ChosenModel,
    options: dict[str, Any],
) -> None:
    from .lines import read_lines

    if out not in (None, STDIN):
        raise UsageError("--lines writes to standard output.", "Redirect it: > lines.txt")
    format = {"": "txt", "text": "txt"}.get(",".join(formats), ",".join(formats))
    if not read_lines(files, model, format, options):
        raise typer.Exit(ImageError.exit_code)
