"""A recognizer read against a labelled set, scored by one protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ..labelled_lines import LabelledLine, LineSet
from ..line_sets import read_line_set
from ..metrics import line_counts, scores_of
from ..recognizer import Recognizer
from ..stream import Reading, read_stream
from .predictions import Predictions
from .protocols import ScoringProtocol
from .report import Report, score


def load_line_set(data: str | Path, limit: int | None = None) -> LineSet:
    """A labelled set in any format, and of its lines the first ``limit``, or all.

    Nothing that has a label and a picture is left out, readable or not.

    Raises:
        DataError: the set cannot be read, or holds no lines.
    """
    found = read_line_set(data, scoring=True)
    return replace(found, lines=found.lines[:limit])


def read_lines(
    reader: Recognizer,
    lines: Sequence[LabelledLine],
    *,
    batch_size: int = 32,
    num_beams: int | None = None,
    on_reading: Callable[[Reading], None] = lambda reading: None,
) -> Predictions:
    """Read labelled lines; a picture that cannot be read gives an empty text of confidence 0.

    Args:
        on_reading: called with every line as it is read, for progress and error reports.
    """
    texts: list[str] = []
    confidences: list[float] = []
    unreadable = 0
    start = time.perf_counter()
    pictures = ((line.file, line.image) for line in lines)
    for reading in read_stream(reader, pictures, batch_size=batch_size, num_beams=num_beams):
        texts.append(reading.result.text if reading.result else "")
        confidences.append(reading.result.confidence if reading.result else 0.0)
        unreadable += reading.error is not None
        on_reading(reading)
    seconds = time.perf_counter() - start
    return Predictions(
        model=reader.name,
        texts=texts,
        confidences=confidences,
        unreadable=unreadable,
        lines_per_second=len(lines) / seconds,
        decoding=reader.describe_decoding(num_beams),
        device=str(reader.device),
        dtype=str(reader.dtype).removeprefix("torch."),
    )


def evaluate(
    reader: Recognizer,
    lines: Sequence[LabelledLine],
    protocol: ScoringProtocol,
    *,
    batch_size: int = 32,
    num_beams: int | None = None,
    on_reading: Callable[[Reading], None] = lambda reading: None,
) -> Report:
    """Read labelled lines and score the texts: `read_lines`, then `score`."""
    predictions = read_lines(
        reader, lines, batch_size=batch_size, num_beams=num_beams, on_reading=on_reading
    )
    return score(lines, predictions, protocol)


def scores(
    predictions: Sequence[str], references: Sequence[str], protocol: ScoringProtocol
) -> dict[str, float]:
    """``cer``, ``wer``, ``exact_match``, ``precision``, ``recall`` and ``f1``, in percent.

    Words are matched line by line, whatever the protocol.
    """
    predicted = [protocol.normalize(text) for text in predictions]
    true = [protocol.normalize(text) for text in references]
    found = scores_of(line_counts(predicted, true).sum(0))
    return {name: float(value) for name, value in found.items()}
