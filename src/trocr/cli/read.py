"""``trocr read``: pictures of lines to texts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ImageError, UsageError
from . import console
from .options import (
    DEFAULT_MODEL,
    BatchSize,
    Device,
    Format,
    Model,
    NumBeams,
    OutputFormat,
)

if TYPE_CHECKING:
    from ..recognizer import LineResult
    from ..stream import Reading

STDIN = "-"


def read(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILES", help="Pictures of one line each; - reads one from stdin."),
    ],
    model: Model = DEFAULT_MODEL,
    device: Device = "auto",
    output: OutputFormat = Format.text,
    num_beams: NumBeams = 1,
    allow: Annotated[
        str | None, typer.Option(metavar="SET", help="Only these characters, e.g. 0-9./")
    ] = None,
    regex: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="The whole text matches this pattern.")
    ] = None,
    lexicon: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Only the texts of this file, one a line.")
    ] = None,
    batch_size: BatchSize = 32,
) -> None:
    """Read pictures of one text line each.

    Texts go to standard output in the order of FILES. One file gives its text, several give
    path<TAB>text. With --format json each line is an object with path, text, confidence (0-1) and
    finish_reason (eos, length, blank or repetition).

    A picture that cannot be read is reported on standard error, the others are read, and the exit
    code is 3.

    \b
    trocr read receipt-line.png
    trocr read lines/*.png --format json > lines.jsonl
    trocr read amount.png --allow "0-9.,"
    trocr read date.png --regex "[0-9]{2}/[0-9]{2}/[0-9]{4}"
    trocr read town.png --lexicon towns.txt
    curl -s https://example.org/line.png | trocr read -
    """
    options = {"num_beams": num_beams, "batch_size": batch_size, **_rule(allow, regex, lexicon)}
    if files.count(STDIN) > 1:
        raise UsageError("- stands for one picture on standard input.", "Give it once.")

    from ..recognizer import load
    from ..stream import read_stream

    reader = load(model, device)
    failed = False
    with console.Bar(len(files)) as bar:
        for reading in read_stream(reader, _pictures(files), **options):
            bar.advance()
            if reading.result:
                with bar.aside(sys.stdout):
                    line = _formatted(reading.name, reading.result, output, len(files))
                    print(line, flush=True)
            else:
                failed = True
                with bar.aside(sys.stderr):
                    _report(reading)
    if failed:
        raise typer.Exit(ImageError.exit_code)


def _rule(allow: str | None, regex: str | None, lexicon: Path | None) -> dict[str, Any]:
    """The one constraint that was given, as an argument of ``read_lines``."""
    given = {"allow": allow, "regex": regex, "lexicon": lexicon}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) > 1:
        raise UsageError(
            f"--{' and --'.join(given)} exclude each other.",
            "Use one; a regex can say what the others say.",
        )
    return given if lexicon is None else {"lexicon": _read_lexicon(lexicon)}


def _read_lexicon(path: Path) -> list[str]:
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"Cannot read the lexicon {path}: {error}.", "It is UTF-8 text, one entry a line."
        ) from None
    entries = [row.strip() for row in rows if row.strip()]
    if not entries:
        raise UsageError(f"The lexicon {path} is empty.", "Give one entry a line.")
    return entries


def _pictures(files: list[str]) -> Iterator[tuple[str, Any]]:
    for file in files:
        yield file, sys.stdin.buffer.read() if file == STDIN else file


def _report(reading: Reading) -> None:
    assert reading.error is not None
    if Path(reading.name).is_dir():
        hint = f"Give the pictures in it: {reading.name.rstrip('/')}/*.png"
        console.report(ImageError(f"{reading.name} is a folder.", hint))
    else:
        console.report(reading.error, "stdin" if reading.name == STDIN else "")


def _formatted(path: str, result: LineResult, output: Format, files: int) -> str:
    if output is Format.text:
        return result.text if files == 1 else f"{path}\t{result.text}"
    return console.json_line(
        {
            "path": path,
            "text": result.text,
            "confidence": round(result.confidence, 4),
            "finish_reason": result.finish_reason,
        }
    )
