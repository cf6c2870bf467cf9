"""Pictures of lines in, results out, as batches come in and lines are done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from PIL import Image

from .ahead import computed_ahead
from .batch import BatchFeature
from .drafts import Drafter
from .flow import Flow
from .hybrid import EncodedLines, Found
from .ink import is_blank
from .line_result import BLANK, LineResult
from .model import VisionEncoderDecoderModel
from .outputs import EncoderOutput
from .processor import TrOCRProcessor
from .reporter import Reporter


@dataclass(frozen=True)
class _Batch:
    """Some lines by number: those without ink, and the others with what the model takes."""

    blank: list[int]
    pictures: Mapping[int, Image.Image]
    inputs: BatchFeature


class LineReading:
    """One reading of many lines.

    Args:
        drafter: guesses what the decoder writes, where there is one.
        flow: what searches.
        words: find the words of each line as well.
    """

    def __init__(
        self,
        model: VisionEncoderDecoderModel,
        processor: TrOCRProcessor,
        drafter: Drafter | None,
        reporter: Reporter,
        flow: Flow,
        words: bool,
    ) -> None:
        self.model = model
        self.flow = flow
        self._processor = processor
        self._drafter = drafter if flow.decoder.wants_drafts else None
        self._reporter = reporter
        self._words = words

    def read(
        self, batches: Iterable[Mapping[int, Image.Image]], pictures: Mapping[int, Image.Image]
    ) -> Iterator[tuple[int, LineResult]]:
        """Results by number in any order.

        Args:
            batches: pictures by number; where more may come, an empty one says: not now.
            pictures: those whose results are wanted.
        """
        for batch in computed_ahead(self._prepared, batches):
            yield from ((number, BLANK) for number in batch.blank if number in pictures)
            if batch.pictures:
                yield from self._results(self.flow.take(self._lines(batch)), pictures)
            more = bool(batch.blank or batch.pictures)
            yield from self._results(self.flow.work(more), pictures)
        yield from self._results(self.flow.work(more=False), pictures)

    def _prepared(self, pictures: Mapping[int, Image.Image]) -> _Batch:
        inked = {i: picture for i, picture in pictures.items() if not is_blank(picture)}
        blank = [i for i in pictures if i not in inked]
        if not inked:
            return _Batch(blank, inked, BatchFeature())
        inputs = self._processor.image_processor(list(inked.values()), return_tensors="pt")
        return _Batch(blank, inked, inputs)

    def _lines(self, batch: _Batch) -> EncodedLines:
        encoded = self._encode(batch.inputs)
        drafts = None
        if self._drafter is not None:
            drafts = self._drafter(list(batch.pictures.values()), encoded)
        return EncodedLines(list(batch.pictures), encoded, drafts)

    def _encode(self, inputs: BatchFeature) -> EncoderOutput:
        return self.model.encode(**inputs.to(self.model.device, self.model.dtype))

    def _results(
        self, parts: Iterable[Found], pictures: Mapping[int, Image.Image]
    ) -> Iterator[tuple[int, LineResult]]:
        n_best = self.flow.decoder.n_best
        for lines, found in parts:
            wanted = [row for row, number in enumerate(lines.numbers) if number in pictures]
            if not wanted:
                continue
            if len(wanted) < len(lines):
                lines, found = lines.select(wanted), [found[row] for row in wanted]
            results = [self._reporter.result(hypotheses[:n_best]) for hypotheses in found]
            if self._words:
                drawn = [pictures[number] for number in lines.numbers]
                results = self._reporter.with_words(results, drawn, lines.encoded, found)
            yield from zip(lines.numbers, results, strict=True)
