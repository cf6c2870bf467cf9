"""An evaluation as one web page: scores, charts, and pictures of the lines to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import __version__
from ..errors import ImageError
from ..image import load_image
from ..labelled_lines import LabelledLine
from ..line_pages import counted
from ..metrics import line_counts
from ..writers.web_page import data_url, marked_text
from ..writers.web_page import render as rendered
from .charts import rejection_chart, reliability_chart
from .comparison import Comparison
from .predictions import Predictions
from .protocols import ScoringProtocol
from .report import Report

SCORES = {
    "cer": "CER",
    "wer": "WER",
    "exact_match": "Lines right",
    "precision": "Word precision",
    "recall": "Word recall",
    "f1": "Word F1",
}
LARGEST = (1200, 160)  # pixels of a line's picture
SHOWN_LINES, SHOWN_CONFUSIONS = 30, 20


def render(
    data: str,
    lines: Sequence[LabelledLine],
    predictions: Predictions,
    report: Report,
    protocol: ScoringProtocol,
    comparison: Comparison | None = None,
) -> str:
    """The page; it loads nothing, and text is only ever text.

    Args:
        data: the name of the set.
        comparison: adds what another model makes of the lines, and those where they differ.
    """
    charts = []
    if report.reliability and report.rejection:
        curves = {report.model: report.rejection}
        if comparison and comparison.against.rejection:
            curves[f"{comparison.against.model} (against)"] = comparison.against.rejection
        charts = [reliability_chart(report.reliability), rejection_chart(curves)]
    return rendered(
        __package__,
        "report.html.j2",
        style="report.css",
        data=data,
        version=__version__,
        report=report,
        comparison=comparison,
        scores=SCORES,
        charts=charts,
        shown=SHOWN_CONFUSIONS,
        groups=_changed(lines, comparison) if comparison else _worst(lines, predictions, protocol),
    )


def _worst(
    lines: Sequence[LabelledLine], predictions: Predictions, protocol: ScoringProtocol
) -> list[dict[str, Any]]:
    """The lines that need most edits."""
    true = [protocol.normalize(line.text) for line in lines]
    read = [protocol.normalize(text) for text in predictions.texts]
    edits = line_counts(read, true)[:, 0].tolist()
    order = sorted(range(len(lines)), key=lambda i: (-edits[i], len(true[i])))
    worst = [i for i in order[:SHOWN_LINES] if edits[i]]
    sure = predictions.confidences
    shown = [
        {
            **_picture(lines[i]),
            "label": true[i],
            "readings": [("", marked_text(true[i], read[i]), edits[i])],
            "confidence": sure[i] if sure else None,
        }
        for i in worst
    ]
    title = f"Lines with errors, worst first: {len(shown)} of {sum(map(bool, edits))}"
    return [{"title": title, "lines": shown}]


def _changed(lines: Sequence[LabelledLine], comparison: Comparison) -> list[dict[str, Any]]:
    """The lines that got better most, and worse most."""
    by_file = {line.file: line for line in lines}
    names = (comparison.model.model, comparison.against.model)
    better = [line for line in comparison.changed if line.gain > 0]
    worse = [line for line in reversed(comparison.changed) if line.gain < 0]
    groups = []
    for what, chosen in (("better", better), ("worse", worse)):
        shown = [
            {
                **_picture(by_file[line.file]),
                "label": line.label,
                "readings": [
                    (names[0], marked_text(line.label, line.model), line.model_edits),
                    (names[1], marked_text(line.label, line.against), line.against_edits),
                ],
                "confidence": None,
            }
            for line in chosen[:SHOWN_LINES]
        ]
        title = f"{counted(len(chosen), 'line')} that {names[0]} reads {what} than {names[1]}"
        title += f": the first {SHOWN_LINES}" if len(chosen) > SHOWN_LINES else ""
        groups.append({"title": title, "lines": shown})
    return groups


def _picture(line: LabelledLine) -> dict[str, Any]:
    """``file`` and ``picture``, a data URL; None where it cannot be read."""
    try:
        picture = data_url(load_image(line.image), LARGEST)
    except ImageError:
        picture = None
    return {"file": line.file, "picture": picture}
