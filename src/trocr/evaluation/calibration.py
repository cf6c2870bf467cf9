"""Fitting what turns evidence into confidence, and measuring what it gains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..confidence import Calibration
from ..errors import DataError
from ..labelled_lines import LabelledLine
from ..metrics import expected_calibration_error
from ..recognizer import Recognizer
from ..stream import Reading, read_stream
from .protocols import ScoringProtocol

FOLDS = 10
RIDGE = 1e-4  # on standardised weights; keeps lines that separate perfectly from running away
MAX_NEWTON_STEPS = 50
CHANCE_DRAWS = 100

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ReadSet:
    """What became of the lines of a labelled set that the model looked at.

    Attributes:
        evidence: (lines, names), in the order of ``names``.
        right: (lines,), 1 where every character is right, else 0.
        confidence: (lines,), 0-1, as without a calibration.
    """

    data: str
    normalization: str
    names: tuple[str, ...]
    evidence: FloatArray
    right: FloatArray
    confidence: FloatArray


@dataclass(frozen=True)
class Gain:
    """Of one set: the lines, the share that is right (percent), and the ECE (0-1).

    ``ece_after`` is cross-validated: in each of ten parts of the set, by a calibration that was
    fitted without that part. ``ece_by_chance`` is what so many lines of these confidences have on
    average if each is right with exactly that probability.
    """

    data: str
    normalization: str
    n: int
    exact_match: float
    ece_before: float
    ece_after: float
    ece_by_chance: float


def read_set(
    reader: Recognizer,
    data: Path,
    lines: Sequence[LabelledLine],
    protocol: ScoringProtocol,
    *,
    batch_size: int = 32,
    on_reading: Callable[[Reading], None] = lambda reading: None,
) -> ReadSet:
    """Read a labelled set greedily; lines that are bare or cannot be read are left out.

    Args:
        reader: without a calibration.
        on_reading: called with every line as it is read.

    Raises:
        DataError: no line is left.
    """
    evidence: list[list[float]] = []
    right: list[bool] = []
    confidence: list[float] = []
    names: tuple[str, ...] = ()
    pictures = ((line.file, line.image) for line in lines)
    readings = read_stream(reader, pictures, batch_size=batch_size)
    for line, reading in zip(lines, readings, strict=True):
        on_reading(reading)
        if reading.result and reading.result.evidence:
            names = tuple(reading.result.evidence)
            evidence.append(list(reading.result.evidence.values()))
            right.append(protocol.normalize(reading.result.text) == protocol.normalize(line.text))
            confidence.append(reading.result.confidence)
    if not evidence:
        raise DataError(f"{data} has no line with ink.", "Give lines of text.")
    return ReadSet(
        str(data),
        protocol.normalization,
        names,
        np.array(evidence),
        np.array(right, np.float64),
        np.array(confidence),
    )


def fit_calibration(sets: Sequence[ReadSet]) -> tuple[Calibration, list[Gain]]:
    """A calibration by maximum likelihood over all lines, and what it gains on each set.

    Evidence whose weight would be negative is left out, the most negative first: a confidence must
    not rise when evidence falls.

    Raises:
        DataError: hardly any line is right, or hardly any is wrong.
    """
    evidence = np.concatenate([one.evidence for one in sets])
    right = np.concatenate([one.right for one in sets])
    if min(right.sum(), len(right) - right.sum()) < 2 * FOLDS:
        raise DataError(
            f"{int(right.sum())} of {len(right)} lines are read without a mistake.",
            f"A calibration needs {2 * FOLDS} right and {2 * FOLDS} wrong ones at least.",
        )
    # A set's lines are in the order of its pages, so a part is whole pages but for its ends.
    folds = np.concatenate([np.arange(len(one.right)) * FOLDS // len(one.right) for one in sets])
    held_out = np.empty(len(right))
    for fold in range(FOLDS):
        apart = folds == fold
        held_out[apart] = _probabilities(_fit(evidence[~apart], right[~apart]), evidence[apart])
    ends = np.cumsum([len(one.right) for one in sets])[:-1]
    gains = [_gain(one, after) for one, after in zip(sets, np.split(held_out, ends), strict=True)]
    bias, *weights = _fit(evidence, right).tolist()
    kept = {name: weight for name, weight in zip(sets[0].names, weights, strict=True) if weight}
    return Calibration(bias, kept, len(right), [asdict(gain) for gain in gains]), gains


def _gain(one: ReadSet, after: FloatArray) -> Gain:
    right = one.right.astype(bool).tolist()
    return Gain(
        data=one.data,
        normalization=one.normalization,
        n=len(right),
        exact_match=round(100 * float(one.right.mean()), 2),
        ece_before=round(expected_calibration_error(one.confidence.tolist(), right), 4),
        ece_after=round(expected_calibration_error(after.tolist(), right), 4),
        ece_by_chance=round(_error_by_chance(after), 4),
    )


def _error_by_chance(confidence: FloatArray) -> float:
    generator = np.random.default_rng(0)
    draws = generator.random((CHANCE_DRAWS, len(confidence))) < confidence
    listed = confidence.tolist()
    return float(np.mean([expected_calibration_error(listed, row.tolist()) for row in draws]))


def _fit(evidence: FloatArray, right: FloatArray) -> FloatArray:
    """Bias and weights of a logistic regression, none of the weights below 0."""
    kept = list(range(evidence.shape[1]))
    while True:
        found = _newton(evidence[:, kept], right)
        worst = int(found[1:].argmin()) if kept else 0
        if not kept or found[1 + worst] >= 0:
            break
        del kept[worst]
    weights = np.zeros(1 + evidence.shape[1])
    weights[[0, *(1 + column for column in kept)]] = found
    return weights


def _newton(evidence: FloatArray, right: FloatArray) -> FloatArray:
    """Bias and weights of the largest likelihood, with a ridge on standardised weights."""
    mean, deviation = evidence.mean(0), evidence.std(0) + 1e-9
    inputs = np.column_stack([np.ones(len(right)), (evidence - mean) / deviation])
    ridge = RIDGE * len(right) * np.diag([0.0] + [1.0] * evidence.shape[1])
    found = np.zeros(inputs.shape[1])
    for _ in range(MAX_NEWTON_STEPS):
        likely = _probabilities(found, inputs[:, 1:])
        slope = inputs.T @ (likely - right) + ridge @ found
        curvature = (inputs.T * (likely * (1 - likely))) @ inputs + ridge
        step = np.linalg.solve(curvature, slope)
        found -= step
        if np.abs(step).max() < 1e-8:
            break
    weights = found[1:] / deviation
    return np.concatenate([[found[0] - weights @ mean], weights])


def _probabilities(weights: FloatArray, evidence: FloatArray) -> FloatArray:
    log_odds = weights[0] + evidence @ weights[1:]
    likely: FloatArray = 1 / (1 + np.exp(-np.clip(log_odds, -700, 700)))
    return likely
