"""What a line says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .document import Word


@dataclass(frozen=True)
class TokenScore:
    """What one token adds to the text, and its probability under the decoder, 0-1."""

    text: str
    confidence: float


@dataclass(frozen=True)
class Candidate:
    """One reading; ``confidence`` as that of a line, 0-1."""

    text: str
    confidence: float


@dataclass(frozen=True)
class LineResult:
    """What a line says.

    Attributes:
        text: the best reading; empty for a blank crop.
        confidence: 0-1. Of a calibrated model: the probability that every character is right.
            Else exp(mean log-probability per token, the end included), the CTC head's opinion
            averaged in where the model has one.
        finish_reason: ``"eos"``; ``"length"``: cut at the limit; ``"blank"``: nothing to read;
            ``"repetition"``: a loop was stopped and cut.
        tokens: the pieces of ``text`` with their own probabilities.
        n_best: readings, best first.
        token_ids: of ``text``, without special tokens.
        evidence: what the confidence of a calibrated model is made of, see
            ``trocr.confidence.evidence``; empty where the model was not asked.
        words: in logical order, with boxes in pixels of the picture after its EXIF orientation;
            empty unless they were asked for. Their confidences: ``trocr.align.WordAligner.words``.
    """

    text: str
    confidence: float
    finish_reason: str
    tokens: tuple[TokenScore, ...] = ()
    n_best: tuple[Candidate, ...] = ()
    token_ids: tuple[int, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)
    words: tuple[Word, ...] = ()


BLANK = LineResult(text="", confidence=1.0, finish_reason="blank")
