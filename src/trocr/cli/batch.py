"""``trocr batch``: warehouses of scans to records or documents."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ImageError, UsageError
from . import console
from .options import (
    DEFAULT_MODEL,
    Allow,
    BatchSize,
    BoxFiles,
    Detector,
    Device,
    Dpi,
    Draft,
    Dtype,
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

if TYPE_CHECKING:
    from ..distribution import Status
    from ..recognizer import Recognizer

STATUS = "status"
_UNKNOWN = 2  # how many files there will be


def batch(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Pictures, TIFFs, PDFs, tars, Parquet, folders of them, patterns, URLs of object "
            "stores; or: status OUTPUT.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="OUTPUT", help="A folder, or the URL of one."),
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="NAMES",
            help="jsonl or parquet: records in shards; txt, md, json, tsv, hocr, alto, page, pdf, "
            "overlay, html: documents; several with commas. Default: jsonl.",
        ),
    ] = None,
    template: Template = None,
    layout: Layout = False,
    list_file: Annotated[
        Path | None, typer.Option("--list", metavar="FILE", help="More INPUT, one a row.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where the manifest is, if not in OUTPUT."),
    ] = None,
    lines: SingleLines = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Processes. Default: one a GPU, else one a core; 0: none."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Ray cluster reads; local starts one here."),
    ] = None,
    finders: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With --ray: actors that find lines, at most."),
    ] = None,
    unit_size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Files read together. Default: 64; with --lines 1024."
        ),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Read again what is in quarantine.")
    ] = False,
    column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of Parquet, the one with the pictures.")
    ] = None,
    pages: PageRanges = None,
    password: Password = None,
    dpi: Dpi = None,
    keep_text: KeepText = False,
    detector: Detector = "auto",
    boxes: BoxFiles = None,
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    dtype: Dtype = "auto",
    draft: Draft = None,
    num_beams: NumBeams = None,
    allow: Allow = None,
    regex: Regex = None,
    lexicon: Lexicon = None,
    batch_size: BatchSize = 32,
) -> None:
    """Read millions of files; a run that was ended by whatever goes on with the same command.

    \b
    trocr batch scans/ -o read
    trocr batch "shards/*.tar" s3://bucket/more/ -o read --format parquet
    trocr batch crops.parquet -o read --lines --workers 8
    trocr batch amounts/ -o read --lines --allow "0-9.,"
    trocr batch --list files.txt -o read --format txt,pdf
    trocr batch status read

    \b
    OUTPUT gets a manifest of every file, shards (or documents), quarantine.tsv with what could not
    be read and why, and report.json.

    \b
    Exit codes: 0 fine; 2 wrong usage; 3 some files or pages could not be read, the others were;
    4 the model, 5 the boxes cannot be read; 6 the output cannot be written; 130 interrupted.
    """
    names = [name.strip().lower() for each in output or [] for name in each.split(",")]
    if inputs and inputs[0] == STATUS and out is None:
        _print_status(inputs[1:], names)
        return
    if out is None or not (inputs or list_file):
        raise UsageError("INPUT and -o OUTPUT are needed.", "trocr batch scans/ -o read")
    if lines and boxes:
        raise UsageError("--lines and --boxes exclude each other.", "Lines need no boxes.")
    from ..distribution import Plan, Task, formats_of, mirrored, read_list, run_batch, state_of
    from ..pipeline import Boxes, Settings
    from ..pipeline.streaming import WINDOW_BATCHES
    from ..writers import WITHOUT_WORDS, Options
    from .request import rehearse

    writing = Options(password=password, layout=layout, template=template)
    formats = formats_of(names, writing)
    reading: dict[str, Any] = {
        "lines": lines,
        "detector": detector,
        "keep_text": keep_text,
        "num_beams": num_beams,
        "words": layout or not set(formats) <= WITHOUT_WORDS,
        **rule_of(allow, regex, lexicon),
    }
    selection: dict[str, Any] = {"pages": pages, "dpi": dpi, "column": column}
    what: dict[str, Any] = {"dtype": dtype, "draft": draft}
    paths = {"boxes": boxes, "template": template, "lexicon": lexicon}
    files = {name: _version(path) for name, path in paths.items()}
    given = inputs or []
    task = Task(
        load=partial(_load, model, **what),
        settings=Settings(batch_size=batch_size, boxes=Boxes(boxes) if boxes else None, **reading),
        formats=formats,
        password=password,
        writing=writing,
        mirrored="" if list_file else mirrored(given),
        **selection,
    )
    plan = Plan(
        inputs=chain(given, read_list(str(list_file)) if list_file else ()),
        output=out,
        state=state_of(out, state),
        settings={
            **_settings_of(model),
            **what,
            **reading,
            **selection,
            **files,
            "format": ",".join(formats),
            "layout": layout,
        },
        device=device,
        workers=workers,
        ray=ray,
        finders=finders,
        unit_size=unit_size or (1024 if lines else 64),
        least_unit=WINDOW_BATCHES * batch_size if lines else 1,
        retry=retry,
    )
    rehearse(task.documents, writing)
    with console.Bar(_UNKNOWN, "files") as bar:
        status = run_batch(task, replace(plan, progress=_shown_on(bar)))
    print(*_rows(status), sep="\n", file=sys.stderr)
    if status.quarantined or status.failed_pages:
        print(f"  see {out.rstrip('/')}/quarantine.tsv", file=sys.stderr)
        raise typer.Exit(ImageError.exit_code)


def _shown_on(bar: console.Bar) -> Callable[[Mapping[str, int], int], None]:
    started, read = time.monotonic(), 0

    def progress(counters: Mapping[str, int], pages: int) -> None:
        nonlocal read
        read += pages
        rate = read / max(time.monotonic() - started, 1e-9)
        done = counters["done"] + counters["quarantined"]
        bar.show(done, counters["listed"], f"{rate:.1f} pages/s")

    return progress


def _load(model: str, device: str, **options: Any) -> Recognizer:
    """In the process that reads: the one that hands out work need not import torch."""
    from ..recognizer import load

    return load(model, device, **options)


def _settings_of(model: str) -> dict[str, Any]:
    """What says which model reads."""
    from .. import __version__
    from ..bundled import bundled_folder

    folder = Path(model)
    own = folder.is_dir() and bundled_folder(model) is None
    name = str(folder.resolve()) if own else model
    return {
        "trocr": __version__,
        "model": name,
        "files of the model": _version(folder) if own else None,
    }


def _version(path: Path | None) -> str | None:
    """A digest of names, sizes and times of change: of a file, or of all that a folder holds."""
    if path is None:
        return None
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    there = ((file, file.stat()) for file in files if file.exists())
    about = [
        (str(file.relative_to(path.parent)), known.st_size, known.st_mtime_ns)
        for file, known in there
    ]
    return hashlib.sha256(repr(about).encode()).hexdigest()[:12]


def _print_status(names: Sequence[str], formats: Sequence[str]) -> None:
    from ..distribution import read_status

    if len(names) != 1 or formats not in ([], ["json"]):
        raise UsageError("status takes one folder.", "trocr batch status OUTPUT [--format json]")
    status = read_status(Path(names[0]))
    if formats:
        print(console.json_line(status.as_dict()))
    else:
        print(*_rows(status), sep="\n")


def _rows(status: Status) -> Iterator[str]:
    """How far a run is, in words."""
    from .tally import duration

    so_far = "" if status.listed else " so far"
    yield f"{status.entries:,} files{so_far}: {status.done:,} read, {status.left:,} left"
    yield f"{status.quarantined:,} in quarantine, {status.failed_pages:,} other pages not read"
    spent = duration(status.seconds)
    lately = f", lately {status.pages_per_second:.2f} pages/s" if status.pages_per_second else ""
    yield f"{status.pages:,} pages in {spent}{lately}"
    if status.left and status.seconds_left is not None:
        yield f"about {duration(status.seconds_left)} left"
    yield f"run {status.runs}: {status.last}"
