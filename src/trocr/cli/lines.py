"""``trocr read --lines``: pictures of one line each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ImageError, UsageError
from . import console
from .options import ChosenModel

if TYPE_CHECKING:
    from ..line_result import LineResult
    from ..stream import Reading

STDIN = "-"
FORMATS = ("txt", "json")


def read_lines(
    files: Sequence[str], model: ChosenModel, format: str, options: dict[str, Any]
) -> bool:
    """Print the texts of pictures in their order; whether all could be read.

    Args:
        files: paths, and ``-`` for standard input.
        model: what reads them.
        format: one of ``FORMATS``.
        options: of ``read_stream``.

    Raises:
        UsageError: another format, or standard input twice.
        CheckpointError: a model that cannot be loaded.
    """
    if format not in FORMATS:
        raise UsageError(f"Lines have no format {format}.", f"Use {' or '.join(FORMATS)}.")
    if files.count(STDIN) > 1:
        raise UsageError("- stands for one picture on standard input.", "Give it once.")

    from ..stream import read_stream

    reader = model.load()
    all_read = True
    with console.Bar(len(files)) as bar:
        for reading in read_stream(reader, _pictures(files), **options):
            bar.advance()
            if reading.result:
                with bar.aside(sys.stdout):
                    line = _formatted(reading.name, reading.result, format, len(files))
                    print(line, flush=True)
            else:
                all_read = False
                with bar.aside(sys.stderr):
                    _report(reading)
    return all_read


def _pictures(files: Sequence[str]) -> Iterator[tuple[str, Any]]:
    for file in files:
        yield file, sys.stdin.buffer.read() if file == STDIN else file


def _report(reading: Reading) -> None:
    assert reading.error is not None
    if Path(reading.name).is_dir():
        hint = f"Give the pictures in it: {reading.name.rstrip('/')}/*.png"
        console.report(ImageError(f"{reading.name} is a folder.", hint))
    else:
        console.report(reading.error, "stdin" if reading.name == STDIN else "")


def _formatted(path: str, result: LineResult, format: str, files: int) -> str:
    if format == "txt":
        return result.text if files == 1 else f"{path}\t{result.text}"
    return console.json_line(
        {
            "path": path,
            "text": result.text,
            "confidence": round(result.confidence, 4),
            "finish_reason": result.finish_reason,
        }
    )
