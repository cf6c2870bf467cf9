"""``trocr export``: a model for other runtimes and other languages."""

from __future__ import annotations

import json
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..bundled import bundled_folder
from ..errors import TrOCRError
from ..hub import check_new_folder, resolve_folder
from ..labelled_lines import LabelledLine
from . import console
from .labelled import load_lines

if TYPE_CHECKING:
    from ..optimize.parity import Parity
    from ..recognizer import Recognizer


class Runtime(str, Enum):
    """What runs the exported model."""

    onnx = "onnx"
    openvino = "openvino"


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A bundled model (see `trocr models`), a folder, or a hub id."
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="A new folder for the result.")
    ],
    runtime: Annotated[
        Runtime, typer.Option("--format", help="What runs the exported model.")
    ] = Runtime.onnx,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DATA",
            help="Labelled set that both have to read alike; default: a bundled model's test line.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Compare the first N lines only.")
    ] = None,
) -> None:
    """Write a model for ONNX Runtime or OpenVINO, and prove that it reads the same.

    DIR gets three networks (encoder, cross_attention, and decoder with its key-value cache) and
    the model's other files. It is a model like any other: `trocr read --model DIR` and
    trocr.load("DIR") run it on the CPU in float32. docs/export.md says how other languages do.

    Both then read the lines of DATA in float32. DIR/parity.json and standard output say how many
    texts are identical, the largest differences inside, the CER in percent, and lines per second,
    measured in turns. The exit code is 1 where more than 0.5 % of the texts differ.

    Needs trocr[onnx] or trocr[openvino]; to run ONNX, onnxruntime is enough.

    \b
    trocr export printed -o printed-onnx
    trocr export runs/mine/model -o mine-openvino --format openvino --data letters --limit 200
    """
    from ..model import VisionEncoderDecoderModel
    from ..optimize.export import check_packages
    from ..optimize.export import export as write
    from ..recognizer import load

    kind = runtime.value
    check_packages(kind)
    check_new_folder(out)
    source = bundled_folder(model) or resolve_folder(model)
    lines = _lines(source, data, limit)
    write(VisionEncoderDecoderModel.from_pretrained(source), source, out, kind)
    if not lines:
        print("not compared with the original: give a labelled set (--data)", file=sys.stderr)
        return
    original, exported = (load(folder, "cpu", "float32") for folder in (source, out))
    parity = _compare(original, exported, kind, lines)
    parity.save(out)
    print(_table(parity), flush=True)
    if not parity.holds:
        different = parity.lines - parity.identical_texts
        raise TrOCRError(
            f"{different} of {parity.lines} texts differ from the original's.",
            f"Do not use {out}; please report this with its parity.json.",
        )


def _lines(source: Path, data: Path | None, limit: int | None) -> list[LabelledLine]:
    """Of the set, or the test line of a bundled model, or none.

    Raises:
        DataError: the set cannot be read, or holds no lines.
    """

    if data is not None:
        return load_lines(data, limit)
    picture, stored = source / "selftest.png", source / "selftest.json"
    if not (picture.is_file() and stored.is_file()):
        return []
    text = json.loads(stored.read_text(encoding="utf-8"))["text"]
    return [LabelledLine(picture.name, picture.read_bytes(), text)]


def _compare(
    original: Recognizer, exported: Recognizer, kind: str, lines: list[LabelledLine]
) -> Parity:
    from ..optimize.parity import compare

    with console.Bar(len(lines)) as bar:
        return compare(original, exported, kind, lines, on_line=bar.advance)


def _table(parity: Parity) -> str:
    differences = parity.largest_difference.items()
    rows = [
        ("lines", str(parity.lines)),
        ("identical texts", str(parity.identical_texts)),
        *((f"{name}, difference", f"{value:.1e}") for name, value in differences),
        *((f"CER, {name}", f"{value:.2f}") for name, value in parity.cer.items()),
        *((f"lines/s, {name}", f"{value:.1f}") for name, value in parity.lines_per_second.items()),
    ]
    return "\n".join(f"{name:<28}  {value}" for name, value in rows)
