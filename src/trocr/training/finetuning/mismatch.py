"""Labels that stand beside the wrong picture, found by reading the pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from ...labelled_lines import LabelledLine
from ...line_image import LineImageProcessor
from ...line_pages import counted
from ...recognizer import Recognizer
from ...stream import Reading, read_stream
from .check import Check
from .findings import Finding, found, quoted

LIMIT = 2000  # lines read to look for suspects, and as many again around those that were found
LIMIT_OF_LARGE = 100  # the same for models of the published kind on a CPU
AROUND = 20  # lines before and after a suspect that are read as well
MIN_LETTERS = 7  # of a reading that another label explains
MAX_ERROR = 0.4  # of that label
MIN_MARGIN = 0.4  # by which the own label is worse
MAX_SHIFT = 3  # rows
MIN_GAIN = 0.05  # by which the labels of shifted lines fit better, in the mean
MIN_TOTAL_GAIN = 1.5  # the same, over that, summed
MIN_SHIFTED = 4  # lines
WELL_READ = 0.6  # median error up to which a reading says anything against its own label
MIN_DOUBTED = 4  # letters of a label that is called doubtful
MIN_DOUBT = 0.7  # error of a doubtful line
DEVIATIONS = 5.0  # robust standard deviations from the median error

Errors = NDArray[np.float32]


@dataclass(frozen=True)
class Suspect:
    """A line whose picture was read as something else than its label.

    Attributes:
        other: the line whose label the reading is close to; None where there is none.
    """

    line: LabelledLine
    reading: str
    other: LabelledLine | None = None


@dataclass(frozen=True)
class Shift:
    """Consecutive lines whose labels stand ``rows`` below their pictures (above, if negative)."""

    lines: list[LabelledLine]
    rows: int


@dataclass(frozen=True)
class MixUps:
    """What the readings say against the labels.

    Attributes:
        read: how many lines were read.
        error: the median of their errors (edits over the longer of reading and label), 0-1.
        shifts: certain.
        swapped: certain, one by one: the text is elsewhere in the set.
        doubtful: far worse than the set is read, worst first; there may be other reasons.
    """

    read: int
    error: float
    shifts: list[Shift]
    swapped: list[Suspect]
    doubtful: list[Suspect]

    @property
    def wrong(self) -> list[LabelledLine]:
        """The lines whose labels are certainly wrong."""
        lines = [line for shift in self.shifts for line in shift.lines]
        return lines + [suspect.line for suspect in self.swapped]


def mixed_up(
    recognizer: Recognizer,
    lines: Sequence[LabelledLine],
    *,
    limit: int | None = None,
    on_reading: Callable[[Reading], None] = lambda reading: None,
) -> MixUps:
    """Read lines with the model that will learn from them, and compare with all labels.

    A model that cannot read the set at all still notices rows that are shifted or swapped, if it
    gets some letters right, or at least the lengths.

    Args:
        limit: of lines that are read, spread over the set; where some are suspect, their
            neighbours are read too, ``limit`` more lines at most. Default: ``LIMIT``, and fewer
            with a large model on a CPU.
        on_reading: called with every line that is read.
    """

    def read(numbers: Iterable[int]) -> dict[int, str]:
        chosen = list(numbers)
        pictures = ((lines[number].file, lines[number].image) for number in chosen)
        texts = {}
        for number, reading in zip(chosen, read_stream(recognizer, pictures), strict=True):
            on_reading(reading)
            if reading.result:
                texts[number] = reading.result.text
        return texts

    return compared(lines, read, _affordable(recognizer) if limit is None else limit)


def _affordable(recognizer: Recognizer) -> int:
    """As many lines as are read in a minute or two."""
    is_line_model = isinstance(recognizer.processor.image_processor, LineImageProcessor)
    return LIMIT if is_line_model or recognizer.device.type != "cpu" else LIMIT_OF_LARGE


def compared(
    lines: Sequence[LabelledLine], read: Callable[[Iterable[int]], Mapping[int, str]], limit: int
) -> MixUps:
    """The same with readings from anywhere.

    Args:
        read: numbers of lines to what their pictures say.
    """
    step = max(1, math.ceil(len(lines) / max(1, limit)))
    readings = dict(read(range(0, len(lines), step)))
    texts = [_folded(line.text) for line in lines]
    if step > 1:
        suspects = _elsewhere(texts, readings, _errors(texts, readings))
        around = {near for one in suspects for near in range(one - AROUND, one + AROUND + 1)}
        more = [i for i in sorted(around & set(range(len(lines)))) if i not in readings]
        readings = dict(sorted({**readings, **read(more[:limit])}.items()))
    errors = _errors(texts, readings)
    shifts = _shifts(texts, readings, errors)
    shifted = {number for start, stop, _ in shifts for number in range(start, stop)}
    elsewhere = _elsewhere(texts, readings, errors)
    swapped = {i: other for i, other in elsewhere.items() if i not in shifted}
    median = float(np.median(list(errors.values()))) if errors else 1.0

    def suspect(number: int, other: int | None = None) -> Suspect:
        by = None if other is None else lines[other]
        return Suspect(lines[number], readings[number], by)

    return MixUps(
        len(readings),
        median,
        [Shift(list(lines[start:stop]), rows) for start, stop, rows in shifts],
        [suspect(number, other) for number, other in swapped.items()],
        [
            suspect(number)
            for number in _far_off(errors, median)
            if number not in {*shifted, *swapped} and len(texts[number]) >= MIN_DOUBTED
        ],
    )


def _folded(text: str) -> str:
    """What counts in a comparison: letters in any case, and no spaces."""
    return "".join(text.split()).casefold()


def _error(reading: str, text: str) -> float:
    return Levenshtein.normalized_distance(_folded(reading), text)


def _errors(texts: Sequence[str], readings: Mapping[int, str]) -> dict[int, float]:
    return {number: _error(reading, texts[number]) for number, reading in readings.items()}


def _elsewhere(
    texts: Sequence[str], readings: Mapping[int, str], errors: Mapping[int, float]
) -> dict[int, int]:
    """Lines whose reading is close to another label and far from their own, and which that is."""
    numbers = [
        number
        for number, reading in readings.items()
        if errors[number] >= MIN_MARGIN and len(_folded(reading)) >= MIN_LETTERS
    ]
    result = {}
    for start in range(0, len(numbers), 256):  # bounds the matrix
        part = numbers[start : start + 256]
        distances: Errors = cdist(
            [_folded(readings[number]) for number in part],
            texts,
            scorer=Levenshtein.normalized_distance,
            score_cutoff=MAX_ERROR,  # all above it are 1
            dtype=np.float32,
        )
        for number, row in zip(part, distances, strict=True):
            closest = np.flatnonzero(row == row.min())
            other = int(closest[np.abs(closest - number).argmin()])
            letters = len(_folded(readings[number])) * (1 - float(row[other]))
            if letters >= MIN_LETTERS and errors[number] - float(row[other]) >= MIN_MARGIN:
                result[number] = other
    return result


def _shifts(
    texts: Sequence[str], readings: Mapping[int, str], errors: Mapping[int, float]
) -> list[tuple[int, int, int]]:
    """Runs (first line, line after the last, rows) whose readings fit labels some rows away."""
    numbers = sorted(readings)
    gains = {
        rows: np.array([_gain(texts, readings[i], errors[i], i + rows) for i in numbers])
        for rows in range(-MAX_SHIFT, MAX_SHIFT + 1)
        if rows
    }
    shifts = []
    while numbers:
        runs = {rows: _best_run(gain) for rows, gain in gains.items()}
        rows = max(runs, key=lambda shift: runs[shift][2])
        first, last, total = runs[rows]
        if total < MIN_TOTAL_GAIN:
            break
        if last + 1 - first >= MIN_SHIFTED:
            shifts.append((*_with_edge(numbers[first], numbers[last] + 1, rows, errors), rows))
        for gain in gains.values():
            gain[first : last + 1] = -np.inf
    return shifts


def _with_edge(start: int, stop: int, rows: int, errors: Mapping[int, float]) -> tuple[int, int]:
    """The run with the lines beyond it whose labels belong to lines in it."""
    while rows > 0 and errors.get(stop, 0.0) >= MIN_MARGIN:
        rows, stop = rows - 1, stop + 1
    while rows < 0 and errors.get(start - 1, 0.0) >= MIN_MARGIN:
        rows, start = rows + 1, start - 1
    return start, stop


def _gain(texts: Sequence[str], reading: str, error: float, other: int) -> float:
    """How much better a reading fits another label than its own, with its ``error``."""
    if not 0 <= other < len(texts):
        return 0.0
    return error - _error(reading, texts[other]) - MIN_GAIN


def _best_run(gain: NDArray[np.float64]) -> tuple[int, int, float]:
    """First and last item of the slice with the largest sum, and the sum (Kadane)."""
    best, first, total = (0, 0, -math.inf), 0, 0.0
    for item, value in enumerate(gain):
        if total <= 0:
            first, total = item, 0.0
        total += float(value)
        if total > best[2]:
            best = (first, item, total)
    return best


def _far_off(errors: Mapping[int, float], median: float) -> list[int]:
    """Lines that are read far worse than the set is, worst first; none if all are read badly."""
    if median > WELL_READ:
        return []
    spread = 1.4826 * float(np.median([abs(error - median) for error in errors.values()]))
    least = max(MIN_DOUBT, median + DEVIATIONS * spread)
    return sorted((i for i, e in errors.items() if e >= least), key=lambda i: -errors[i])


def without_mix_ups(check: Check, mix_ups: MixUps) -> Check:
    """The check with what the readings brought up; certainly wrong lines are left out."""
    wrong = {line.file for line in mix_ups.wrong}
    return replace(
        check,
        dropped=[*check.dropped, *_certain(mix_ups)],
        warnings=[*check.warnings, *_doubts(mix_ups)],
        lines=[line for line in check.lines if line.file not in wrong],
    )


def _certain(mix_ups: MixUps) -> list[Finding]:
    shifted = [
        Finding(
            f"consecutive labels that belong {counted(abs(shift.rows), 'row')} further "
            + ("up" if shift.rows > 0 else "down"),
            list(map(quoted, shift.lines)),
            "Correct them: before the first there is probably a label too many, or one too few; "
            f"the last is that of {shift.lines[-1].file}.",
        )
        for shift in mix_ups.shifts
    ]
    swapped = (
        f"{quoted(suspect.line)} reads as the label of {suspect.other.file}: {suspect.reading!r}"
        for suspect in mix_ups.swapped
        if suspect.other
    )
    return shifted + found("labels of other pictures", swapped, "Correct them.")


def _doubts(mix_ups: MixUps) -> list[Finding]:
    if mix_ups.error > WELL_READ:
        share = f"median error of {counted(mix_ups.read, 'line')}: {mix_ups.error:.0%}"
        what = "labels that could not be judged by reading, for the model cannot read the set yet"
        return [] if mix_ups.wrong else [Finding(what, [share])]
    return found(
        "pictures read as something quite different",
        (f"{quoted(suspect.line)} reads {suspect.reading!r}" for suspect in mix_ups.doubtful),
        "Look at them: a wrong label, or a picture that nobody can read.",
    )
