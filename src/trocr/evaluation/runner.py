"""A recognizer read against a labelled set, scored by one protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..labelled_lines import LabelledLine, read_labelled_lines
from ..metrics import (
    character_error_rate,
    exact_match,
    expected_calibration_error,
    rejection_curve,
    sroie_scores,
    word_error_rate,
)
from ..recognizer import Recognizer
from ..stream import Reading, read_stream
from .protocols import ScoringProtocol

SHARES_KEPT = (100, 95, 90, 80, 50)  # percent of the lines, the most confident first


@dataclass(frozen=True)
class Report:
    """Scores are percentages, 0-100; ``cer`` and ``wer`` may pass 100.

    Attributes:
        n: lines scored; an unreadable picture counts as an empty prediction of confidence 0.
        unreadable: pictures among them that could not be read.
        ece: expected calibration error, 0-1: confidence against the share of lines that are right.
        aurc: area under the rejection curve: the CER of what is kept, averaged over all shares.
        cer_kept: points of that curve: percentage of lines kept, and their CER.
        lines_per_second: over decoding the pictures and reading them, the model loaded before.
        decoding: how the texts were searched for.
    """

    model: str
    protocol: str
    normalization: str
    n: int
    unreadable: int
    cer: float
    wer: float
    exact_match: float
    precision: float
    recall: float
    f1: float
    ece: float
    aurc: float
    cer_kept: dict[str, float]
    lines_per_second: float
    decoding: str
    device: str
    dtype: str


def load_lines(data: str | Path, limit: int | None = None) -> list[LabelledLine]:
    """The first ``limit`` lines of a labelled set, or all.

    Raises:
        DataError: the set cannot be read, or holds no lines.
    """
    lines = list(islice(read_labelled_lines(data), limit))
    if not lines:
        raise DataError(f"{data} holds no lines.", "labels.tsv needs rows after its header.")
    return lines


def evaluate(
    reader: Recognizer,
    lines: Sequence[LabelledLine],
    protocol: ScoringProtocol,
    *,
    batch_size: int = 32,
    num_beams: int = 1,
    on_reading: Callable[[Reading], None] = lambda reading: None,
) -> Report:
    """Read labelled lines and score the texts.

    Args:
        on_reading: called with every line as it is read, for progress and error reports.
    """
    predictions: list[str] = []
    confidences: list[float] = []
    unreadable = 0
    start = time.perf_counter()
    pictures = ((line.file, line.image) for line in lines)
    for reading in read_stream(reader, pictures, batch_size=batch_size, num_beams=num_beams):
        predictions.append(reading.result.text if reading.result else "")
        confidences.append(reading.result.confidence if reading.result else 0.0)
        unreadable += reading.error is not None
        on_reading(reading)
    seconds = time.perf_counter() - start
    references = [line.text for line in lines]
    scored: dict[str, Any] = {
        **scores(predictions, references, protocol),
        **confidence_scores(predictions, references, confidences, protocol),
    }
    return Report(
        model=reader.name,
        protocol=protocol.name,
        normalization=protocol.normalization,
        n=len(lines),
        unreadable=unreadable,
        **scored,
        lines_per_second=len(lines) / seconds,
        decoding=reader.describe_decoding(num_beams),
        device=str(reader.device),
        dtype=str(reader.dtype).removeprefix("torch."),
    )


def scores(
    predictions: Sequence[str], references: Sequence[str], protocol: ScoringProtocol
) -> dict[str, float]:
    """``cer``, ``wer``, ``exact_match``, ``precision``, ``recall`` and ``f1``, in percent."""
    predicted = [protocol.normalize(text) for text in predictions]
    true = [protocol.normalize(text) for text in references]
    words = sroie_scores(predicted, true)
    return {
        "cer": character_error_rate(predicted, true),
        "wer": word_error_rate(predicted, true),
        "exact_match": exact_match(predicted, true),
        "precision": words.precision,
        "recall": words.recall,
        "f1": words.f1,
    }


def confidence_scores(
    predictions: Sequence[str],
    references: Sequence[str],
    confidences: Sequence[float],
    protocol: ScoringProtocol,
) -> dict[str, Any]:
    """``ece``, ``aurc`` and ``cer_kept``, as in `Report`."""
    predicted = [protocol.normalize(text) for text in predictions]
    true = [protocol.normalize(text) for text in references]
    right = [text == label for text, label in zip(predicted, true, strict=True)]
    curve = rejection_curve(predicted, true, confidences)
    kept = {share: max(1, round(len(curve) * share / 100)) for share in SHARES_KEPT}
    return {
        "ece": expected_calibration_error(confidences, right),
        "aurc": sum(curve) / len(curve),
        "cer_kept": {str(share): curve[lines - 1] for share, lines in kept.items()},
    }
