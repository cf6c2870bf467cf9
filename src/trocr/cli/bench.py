"""``trocr bench``: how fast a model reads on this machine, and why not faster."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import OutputError, UsageError
from . import console
from .labelled import load_lines
from .options import DEFAULT_MODEL, Device, Dtype

if TYPE_CHECKING:
    from rich.table import Table

    from ..bench.runner import BatchReport, Peaks
    from ..recognizer import Recognizer

STDOUT = Path("-")


def bench(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A bundled model, a folder, or a hub id.")
    ] = DEFAULT_MODEL,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="A labelled set of lines. Default: drawn lines."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="Read so many lines.")] = 96,
    batch_size: Annotated[
        str, typer.Option(metavar="SIZES", help="Lines in one pass, several with commas.")
    ] = "1,8,32",
    device: Device = "auto",
    dtype: Dtype = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Threads of the CPU. Default: torch's.")
    ] = None,
    repeat: Annotated[
        int, typer.Option(min=1, metavar="N", help="Passes of which the median counts.")
    ] = 3,
    output: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write everything here; - instead of a table."),
    ] = None,
) -> None:
    """Measure how fast a model reads lines on this machine.

    Every batch size reads all lines once to warm up, then as often as --repeat says in one call
    and in calls of that many lines, then once more to see where the time goes. Lines are drawn, of
    9 to 90 characters, unless --data names a labelled set; decoding the pictures counts.

    The share of the GEMM peak is what the model's shapes demand, without padding, over what a
    large matrix product in its dtype reaches; the share of bandwidth is its weights, once a pass,
    and the cached keys and values, over the speed of copying a large buffer.

    \b
    trocr bench
    trocr bench handwritten --data letters --batch-size 1,16 --threads 1
    trocr bench microsoft/trocr-base-printed --limit 16 --json speed.json
    """
    sizes = _batch_sizes(batch_size)
    if output not in (None, STDOUT) and output.is_dir():
        raise OutputError(f"{output} is a folder.", "Name a file.")

    from ..bench import machine, runner
    from ..recognizer import load

    with machine.threads(threads):
        reader = load(model, device, dtype)
        pictures, source = _pictures(data, limit)
        with console.Bar(len(sizes) * runner.passes(repeat), "passes") as bar:
            peaks, reports = runner.bench(
                reader, pictures, sizes, repeat=repeat, on_pass=bar.advance
            )
        facts = _facts(reader, source, len(pictures))
    _write(facts, peaks, reports, output)


def _batch_sizes(given: str) -> list[int]:
    sizes = [int(part) if part.strip().isdecimal() else 0 for part in given.split(",")]
    if min(sizes) < 1:
        raise UsageError(f"--batch-size {given} is no list of numbers.", "For example 1,8,32.")
    return sizes


def _pictures(data: Path | None, limit: int) -> tuple[list[bytes], str]:
    """Encoded pictures, and where they are from."""
    from ..bench.lines import LONGEST, SHORTEST, drawn_lines
    from ..labelled_lines import LabelledLine

    if data is not None:
        return [line.image for line in load_lines(data, limit)], str(data)
    drawn = [LabelledLine.of("", picture, "").image for picture in drawn_lines(limit)]
    return drawn, f"drawn, {SHORTEST} to {LONGEST} characters"


def _facts(reader: Recognizer, source: str, lines: int) -> dict[str, Any]:
    from ..bench import machine

    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": machine.commit(),
        "model": reader.name,
        "parameters": reader.model.num_parameters(),
        "decoding": reader.describe_decoding(),
        "device": str(reader.device),
        "dtype": str(reader.dtype).removeprefix("torch."),
        "lines": lines,
        "data": source,
        "hardware": machine.hardware(reader.device),
        "versions": machine.versions(),
    }


def _write(
    facts: dict[str, Any], peaks: Peaks, reports: Sequence[BatchReport], output: Path | None
) -> None:
    found = {
        **facts,
        "gemm_tflops": peaks.gemm / 1e12,
        "bandwidth_gb_per_second": peaks.bandwidth / 1e9,
        "batches": [asdict(report) for report in reports],
    }
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if output == STDOUT:
        print(text, end="")
        return
    _print(found, reports)
    if output is not None:
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"{output} cannot be written: {error.strerror}.", "Name another file."
            ) from None


def _print(found: dict[str, Any], reports: Sequence[BatchReport]) -> None:
    from rich.console import Console

    hardware = found["hardware"]
    words = {
        "model": f"{found['model']}, {found['parameters'] / 1e6:.1f} M parameters, "
        f"{found['dtype']} on {found['device']}, {found['decoding']}",
        "machine": f"{hardware['gpu'] or hardware['cpu']}, {hardware['threads']} threads",
        "lines": f"{found['lines']} ({found['data']})",
        "GEMM peak": f"{found['gemm_tflops']:.2f} TFLOP/s",
        "bandwidth": f"{found['bandwidth_gb_per_second']:.1f} GB/s",
    }
    for name, value in words.items():
        print(f"{name:<16}  {value}")
    # Never folded, whatever the width of a terminal or a pipe.
    Console(width=40 + 16 * len(reports), highlight=False).print(_table(reports))


def _table(reports: Sequence[BatchReport]) -> Table:
    """A row for each figure, a column for each batch size."""
    from rich.table import Table

    table = Table("batch size", box=None, pad_edge=False, header_style="")
    for report in reports:
        table.add_column(str(report.batch_size), justify="right")
    columns = [_figures(report) for report in reports]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _figures(report: BatchReport) -> dict[str, str]:
    shown = {
        "lines/s": f"{report.lines_per_second:.1f}",
        "lines/s of CPU": f"{report.lines_per_cpu_second:.1f}",
        "tokens/s": f"{report.tokens_per_second:.0f}",
        "latency p50, ms": f"{report.latency_p50_ms:.1f}",
        "latency p99, ms": f"{report.latency_p99_ms:.1f}",
        "calls": str(report.calls),
    }
    shown |= {f"{name}, %": f"{share:.1f}" for name, share in report.stages.items()}
    shown |= {
        "drafts accepted, %": _or_dash(report.drafts_accepted),
        "of the GEMM peak, %": f"{report.gemm_share:.1f}",
        "of bandwidth, %": f"{report.bandwidth_share:.1f}",
        "peak memory, MB": _or_dash(report.peak_rss_mb),
        "peak on the GPU, MB": _or_dash(report.peak_cuda_mb),
    }
    return shown


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
