"""One recognizer, several batch sizes: how fast, where the time goes, what the machine allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from ..line_result import LineResult
from ..recognizer import Recognizer
from . import machine
from .stages import Stages, watched
from .work import read_bytes, read_operations


@dataclass(frozen=True)
class BatchReport:
    """Measured with one batch size. Rates are medians over the passes.

    Attributes:
        lines_per_second: all lines in one call of ``read_lines``.
        lines_per_cpu_second: the same, over the seconds of all cores.
        tokens_per_second: tokens of the texts, the end of each included.
        latency_p50_ms, latency_p99_ms: of calls with ``batch_size`` lines each.
        calls: how many of those calls.
        stages: per cent of the time of a read, by stage.
        drafts_accepted: per cent of the lines with a draft; None where nothing is drafted.
        tflops: operations (``trocr.bench.work``) a second, in 10^12.
        gemm_share: the same, per cent of the measured peak.
        gigabytes_per_second, bandwidth_share: bytes likewise, in 10^9.
        peak_rss_mb: of the process since it began, in 10^6 bytes.
        peak_cuda_mb: of tensors on the GPU.
    """

    batch_size: int
    lines_per_second: float
    lines_per_cpu_second: float
    tokens_per_second: float
    latency_p50_ms: float
    latency_p99_ms: float
    calls: int
    stages: dict[str, float]
    drafts_accepted: float | None
    tflops: float
    gemm_share: float
    gigabytes_per_second: float
    bandwidth_share: float
    peak_rss_mb: float | None
    peak_cuda_mb: float | None


@dataclass(frozen=True)
class Peaks:
    """What the machine can do: operations and bytes a second."""

    gemm: float
    bandwidth: float


@dataclass(frozen=True)
class _Passes:
    """Seconds of the reads of all lines and of single calls; what was seen of one more read."""

    batch_size: int
    wall: list[float]
    cpu: list[float]
    latencies: list[float]
    stages: Stages
    results: list[LineResult]
    peak_rss: int | None
    peak_cuda: int | None


def bench(
    reader: Recognizer,
    pictures: Sequence[Any],
    batch_sizes: Sequence[int],
    *,
    repeat: int,
    on_pass: Callable[[int], None] = lambda lines: None,
) -> tuple[Peaks, list[BatchReport]]:
    """Read pictures ``passes(repeat)`` times for each batch size.

    Args:
        pictures: as ``read_lines`` takes them; encoded ones if decoding them is to count.
        on_pass: called after each pass with the number of lines.

    Raises:
        ImageError: a picture that cannot be read.
    """
    found = [_passes(reader, pictures, size, repeat, on_pass) for size in batch_sizes]
    # Last, so that its buffers are not in the peak of the memory.
    gemm = machine.gemm_peak(reader.device, reader.dtype)
    peaks = Peaks(gemm, machine.bandwidth_peak(reader.device))
    return peaks, [_report(reader, passes, peaks) for passes in found]


def passes(repeat: int) -> int:
    """Over all lines: to warm up, ``repeat`` times whole and in single calls, and watched."""
    return 2 * repeat + 2


def _passes(
    reader: Recognizer,
    pictures: Sequence[Any],
    batch_size: int,
    repeat: int,
    on_pass: Callable[[int], None],
) -> _Passes:
    machine.reset_peak_cuda(reader.device)
    _timed(reader, pictures, batch_size)
    on_pass(len(pictures))
    whole, latencies = [], []
    for _ in range(repeat):
        whole.append(_timed(reader, pictures, batch_size))
        on_pass(len(pictures))
        for start in range(0, len(pictures), batch_size):
            call = pictures[start : start + batch_size]
            latencies.append(_timed(reader, call, batch_size)[0])
        on_pass(len(pictures))
    with watched(reader) as stages:
        results = reader.read_lines(pictures, batch_size=batch_size)
    on_pass(len(pictures))
    wall, cpu = (list(seconds) for seconds in zip(*whole, strict=True))
    memory = machine.peak_rss(), machine.peak_cuda(reader.device)
    return _Passes(batch_size, wall, cpu, latencies, stages, results, *memory)


def _timed(reader: Recognizer, pictures: Sequence[Any], batch_size: int) -> tuple[float, float]:
    """Seconds of the wall clock and of all cores; texts are on the CPU when a call returns."""
    wall, cpu = time.perf_counter(), time.process_time()
    reader.read_lines(pictures, batch_size=batch_size)
    return time.perf_counter() - wall, time.process_time() - cpu


def _report(reader: Recognizer, passes: _Passes, peaks: Peaks) -> BatchReport:
    seconds, count = median(passes.wall), len(passes.results)
    written = _written(passes)
    operations = read_operations(reader.model.config, written) / seconds
    traffic = read_bytes(reader.model, passes.stages) / seconds
    return BatchReport(
        batch_size=passes.batch_size,
        lines_per_second=count / seconds,
        lines_per_cpu_second=count / median(passes.cpu),
        tokens_per_second=sum(tokens for _, tokens in written) / seconds,
        latency_p50_ms=1000 * median(passes.latencies),
        latency_p99_ms=1000 * percentile(passes.latencies, 99),
        calls=len(passes.latencies),
        stages=passes.stages.shares(),
        drafts_accepted=passes.stages.acceptance,
        tflops=operations / 1e12,
        gemm_share=100 * operations / peaks.gemm,
        gigabytes_per_second=traffic / 1e9,
        bandwidth_share=100 * traffic / peaks.bandwidth,
        peak_rss_mb=_megabytes(passes.peak_rss),
        peak_cuda_mb=_megabytes(passes.peak_cuda),
    )


def _written(passes: _Passes) -> list[tuple[int, int]]:
    """Source tokens and written tokens, the end included, of every line with ink."""
    return [
        (source, len(passes.results[number].token_ids) + 1)
        for number, source in passes.stages.source_tokens.items()
    ]


def _megabytes(size: int | None) -> float | None:
    return None if size is None else size / 1e6


def percentile(values: Sequence[float], percent: int) -> float:
    """Between the two nearest values, linearly."""
    if len(values) < 2:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]
