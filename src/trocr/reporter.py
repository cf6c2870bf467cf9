"""From what a decoder wrote to what a line says: text, confidence, words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from .align import ReadLine, WordAligner
from .confidence import Calibration, evidence
from .hybrid import Hypothesis
from .line_result import Candidate, LineResult, TokenScore
from .model import VisionEncoderDecoderModel
from .outputs import EncoderOutput
from .processor import TrOCRProcessor


class Reporter:
    """Makes the results of one model's hypotheses.

    Args:
        token_strings: of the tokenizer's ``token_strings()``.
        calibration: turns evidence into confidence.
    """

    def __init__(
        self,
        model: VisionEncoderDecoderModel,
        processor: TrOCRProcessor,
        token_strings: Sequence[str | None],
        calibration: Calibration | None,
    ) -> None:
        self.calibration = calibration
        self._tokenizer = processor.tokenizer
        self._token_strings = token_strings
        self._aligner = WordAligner(model, processor, token_strings)

    def result(self, hypotheses: Sequence[Hypothesis]) -> LineResult:
        """Of one line without its words; the hypotheses are the best first."""
        best = hypotheses[0]
        text = self._text(best)
        found = [evidence(hypothesis) for hypothesis in hypotheses]
        confidences = self._confidences(hypotheses, found)
        candidates = tuple(map(Candidate, map(self._text, hypotheses), confidences))
        if not text:
            return LineResult("", confidences[0], "blank", n_best=candidates, evidence=found[0])
        tokens = tuple(
            TokenScore(self._token_strings[token] or "", math.exp(min(0.0, logprob)))
            for token, logprob in zip(best.token_ids, best.token_logprobs, strict=False)
        )
        return LineResult(
            text=text,
            confidence=confidences[0],
            finish_reason=best.finish_reason,
            tokens=tokens,
            n_best=candidates,
            token_ids=tuple(best.token_ids),
            evidence=found[0],
        )

    def with_words(
        self,
        results: Sequence[LineResult],
        pictures: Sequence[Image.Image],
        encoded: EncoderOutput,
        found: Sequence[Sequence[Hypothesis]],
    ) -> list[LineResult]:
        """Results of some lines with the words of the best hypotheses.

        Args:
            encoded: what the encoder made of these lines.
        """
        lines = [
            ReadLine(
                picture, best, result.text, None if self.calibration is None else result.confidence
            )
            for picture, (best, *_), result in zip(pictures, found, results, strict=True)
        ]
        words = self._aligner.words(encoded, lines)
        return [replace(result, words=row) for result, row in zip(results, words, strict=True)]

    def _confidences(
        self, hypotheses: Sequence[Hypothesis], found: list[dict[str, float]]
    ) -> list[float]:
        """Of the readings of one line, best first."""
        if self.calibration is None:
            return [math.exp(min(0.0, hypothesis.mean_logprob)) for hypothesis in hypotheses]
        return self.calibration.probabilities(found)

    def _text(self, hypothesis: Hypothesis) -> str:
        text: str = self._tokenizer.decode(hypothesis.token_ids, skip_special_tokens=True)
        return text.strip()
