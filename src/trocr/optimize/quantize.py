"""8-bit weights where they read as well and faster: measured, and refused where they do not."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from ..confidence import stored_calibration
from ..devices import multiplies_bfloat16
from ..engine.int8 import multiplies_int8
from ..engine.prepare import prepare
from ..errors import DataError, ImageError, RefusedError
from ..image import load_image
from ..labelled_lines import LabelledLine
from ..metrics import character_error_rate
from ..model import VisionEncoderDecoderModel
from ..processor import TrOCRProcessor
from ..recognizer import Recognizer
from ..stream import Reading, read_stream

# Most of the time first: decoding waits for the decoder's weights at every character.
ORDER = ("decoder", "output_projection", "encoder")
BATCH_SIZES = (1, 32)
TIMED_LINES = {1: 32, 32: 96}
ROUNDS = 4
LONGEST, FEWEST_LAPS = 20.0, 3  # seconds that timing may take, unless that is too few laps
LEAST_GAIN = 1.05  # below it a speed-up is not told from noise
_KEPT = "The model stays as it is."


@dataclass(frozen=True)
class Variant:
    """A model with some of its parts as 8-bit integers, on labelled lines.

    Attributes:
        int8: the groups of ``trocr.engine.prepare``; empty for the model as it is.
        cer: character error rate, percent.
        identical: share of lines read exactly as by the model as it is, percent.
        lines_per_second: by batch size, the median of many batches.
        speed: lines a second over those of the model as it is, the median of many batches timed in
            turns; the geometric mean over batch sizes.
    """

    int8: tuple[str, ...]
    cer: float
    identical: float
    lines_per_second: dict[str, float]
    speed: float


@dataclass(frozen=True)
class Choice:
    """``kept`` is the fastest of ``variants`` that the gate let through; the first is the base."""

    lines: int
    max_cer_increase: float
    kept: Variant
    variants: tuple[Variant, ...]

    def to_dict(self) -> dict[str, Any]:
        """What ``inference.json`` keeps of it."""
        return {
            "lines": self.lines,
            "max_cer_increase": self.max_cer_increase,
            "before": asdict(self.variants[0]),
            "after": asdict(self.kept),
        }


def choose_int8(
    folder: Path,
    lines: Sequence[LabelledLine],
    *,
    max_cer_increase: float,
    on_reading: Callable[[Reading], None] = lambda reading: None,
    on_variant: Callable[[Variant], None] = lambda variant: None,
) -> Choice:
    """Add group after group of 8-bit weights, and keep those that the gate lets through.

    Args:
        folder: of a model.
        lines: that it was not trained on.
        max_cer_increase: percentage points by which the CER may rise over the model as it is.
        on_reading: called with every line of every pass; those that cannot be read count as empty.
        on_variant: called with every variant as it is measured.

    Raises:
        RefusedError: no variant is good enough and faster.
        DataError: no picture can be read.
        CheckpointError: the model cannot be loaded.
    """
    if not multiplies_int8():
        raise RefusedError("This CPU has no fast products of 8-bit integers (VNNI).", _KEPT)
    pictures = _readable(lines)
    if not pictures:
        raise DataError("No picture of the set can be read.", "Check its files.")
    base_reader = _reader(folder, ())
    texts = _texts(base_reader, lines, on_reading)
    labels = [line.text for line in lines]
    base_speeds, _ = _speeds(base_reader, base_reader, pictures)
    base = kept = Variant((), character_error_rate(texts, labels), 100.0, base_speeds, 1.0)
    variants = [base]
    on_variant(base)
    for group in ORDER:
        groups = (*kept.int8, group)
        reader = _reader(folder, groups)
        found = _texts(reader, lines, on_reading)
        speeds, speed = _speeds(reader, base_reader, pictures)
        cer = character_error_rate(found, labels)
        same = sum(map(str.__eq__, found, texts))
        variant = Variant(groups, cer, 100 * same / len(lines), speeds, speed)
        variants.append(variant)
        on_variant(variant)
        if cer - base.cer <= max_cer_increase and speed >= kept.speed * LEAST_GAIN:
            kept = variant
    if kept is base:
        raise RefusedError(_reason(variants, max_cer_increase), _KEPT)
    return Choice(len(lines), max_cer_increase, kept, tuple(variants))


def _reader(folder: Path, groups: tuple[str, ...]) -> Recognizer:
    dtype = torch.bfloat16 if multiplies_bfloat16(torch.device("cpu")) else torch.float32
    model = VisionEncoderDecoderModel.from_pretrained(folder, dtype=dtype)
    prepare(model, groups)
    processor = TrOCRProcessor.from_pretrained(folder)
    return Recognizer(model, processor, str(folder), stored_calibration(folder))


def _texts(
    reader: Recognizer, lines: Sequence[LabelledLine], on_reading: Callable[[Reading], None]
) -> list[str]:
    texts = []
    pictures = ((line.file, line.image) for line in lines)
    for reading in read_stream(reader, pictures, batch_size=max(BATCH_SIZES)):
        texts.append(reading.result.text if reading.result else "")
        on_reading(reading)
    return texts


def _readable(lines: Sequence[LabelledLine]) -> list[Any]:
    """Pictures to take the time with, from all over the set."""
    wanted = max(TIMED_LINES.values())
    pictures = []
    for line in lines[:: max(1, len(lines) // wanted)]:
        try:
            pictures.append(load_image(line.image))
        except ImageError:  # reported when the texts are read
            continue
    return pictures[:wanted]


def _speeds(
    reader: Recognizer, base: Recognizer, pictures: list[Any]
) -> tuple[dict[str, float], float]:
    """Lines a second by batch size, and how many times those of ``base``."""
    speeds, ratios = {}, []
    for batch_size in BATCH_SIZES:
        timed = pictures[: TIMED_LINES[batch_size]]
        batches = [timed[i : i + batch_size] for i in range(0, len(timed), batch_size)]
        _laps(reader, base, batches)  # oneDNN prepares itself for every new width
        laps = _laps(reader, base, batches * ROUNDS)
        speeds[str(batch_size)] = median(lines / seconds for lines, seconds, _ in laps)
        ratios.append(median(before / seconds for _, seconds, before in laps))
    return speeds, math.prod(ratios) ** (1 / len(ratios))


def _laps(
    reader: Recognizer, base: Recognizer, batches: list[list[Any]]
) -> list[tuple[int, float, float]]:
    """Lines of a batch, and the seconds that it took both, one right after the other.

    What else runs on the machine slows down both of a pair, or is an outlier to the median.
    """
    laps: list[tuple[int, float, float]] = []
    end = time.perf_counter() + LONGEST
    for batch in batches:
        seconds: dict[Recognizer, float] = {}
        for each in (reader, base) if len(laps) % 2 else (base, reader):
            start = time.perf_counter()
            each.read_lines(batch, batch_size=len(batch))
            seconds[each] = time.perf_counter() - start
        laps.append((len(batch), seconds[reader], seconds[base]))
        if time.perf_counter() > end and len(laps) >= FEWEST_LAPS:
            break
    return laps


def _reason(variants: Sequence[Variant], max_cer_increase: float) -> str:
    base, *tried = variants
    best = max(tried, key=lambda variant: variant.speed)
    if best.speed < LEAST_GAIN:
        return f"8-bit weights are no faster here: {best.speed:.2f} times the speed at best."
    return (
        f"8-bit weights raise the CER by {best.cer - base.cer:.2f} points, and "
        f"{max_cer_increase:g} are allowed ({', '.join(best.int8)}: {best.speed:.2f} times the "
        "speed)."
    )
