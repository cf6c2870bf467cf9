"""Words and characters of a line: where they stand, and how sure they are.

The CTC head, or in models without one the decoder's attention, says roughly where the middle of a
character is; the ink of the picture says where it begins and ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..bidi import visual_order
from ..config import PIXELS_PER_TOKEN
from ..document import Box, Character, Word, union
from ..hybrid import CTC_WEIGHT, Hypothesis, select_rows
from ..line_image import Placement
from ..model import VisionEncoderDecoderModel
from ..outputs import EncoderOutput
from ..processor import TrOCRProcessor
from .attention import cross_attention, ordered_middles
from .boxes import character_boxes, find_ink
from .cells import Cell, cell_doubts, cell_middles, line_cells, tokens_in_order
from .ctc import ctc_alignments

LEAST_DOUBT = 1e-4  # of a character: -ln p below which one probability is as good as another
LINES_OF_ATTENTION = 8  # in one pass; a large model's takes 20 MB a line

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ReadLine:
    """A line that was read.

    Attributes:
        text: of the hypothesis, as it is reported.
        probability: calibrated, that all of the text is right, 0-1; None where there is none.
    """

    picture: Image.Image
    hypothesis: Hypothesis
    text: str
    probability: float | None


@dataclass(frozen=True)
class _Spelling:
    """A line with its characters in logical order and their positions from left to right."""

    line: ReadLine
    placement: Placement
    cells: list[Cell]
    order: list[int]

    @property
    def standing(self) -> list[Cell]:
        """The characters from left to right."""
        return [self.cells[i] for i in self.order]


@dataclass(frozen=True)
class _Alignment:
    """Middles of tokens by position, as shares of the width that the model saw; None where no
    alignment is possible. ``doubts``: -ln p of each token."""

    middles: dict[int, float] | None
    doubts: FloatArray


class WordAligner:
    """Finds the words and characters of lines that one model has read.

    Args:
        token_strings: of the tokenizer's ``token_strings()``.
    """

    def __init__(
        self,
        model: VisionEncoderDecoderModel,
        processor: TrOCRProcessor,
        token_strings: Sequence[str | None],
    ) -> None:
        self.model = model
        self.processor = processor
        self.token_strings = token_strings

    @torch.inference_mode()
    def words(self, encoded: EncoderOutput, lines: Sequence[ReadLine]) -> list[tuple[Word, ...]]:
        """The words of each line in logical order, with characters and confidences.

        Their texts, joined by spaces, are the line's with white space normalised; boxes are in
        pixels of its picture. Where there is a calibrated probability of the line, it is the
        product of the words', and a word's is the product of its characters': each takes the share
        of -ln(probability) that it has in the doubt of CTC head and decoder. Else a confidence is
        the geometric mean of the probabilities of the tokens that write the word or character, as
        a line's is.

        Args:
            encoded: what the encoder made of the pictures of these lines, in their order.
        """
        found: list[tuple[Word, ...]] = [()] * len(lines)
        written = [row for row, line in enumerate(lines) if line.text]
        together = LINES_OF_ATTENTION if encoded.ctc_logits is None else len(lines)
        for start in range(0, len(written), together):
            rows = written[start : start + together]
            spellings = [self._spelling(lines[row]) for row in rows]
            index = torch.tensor(rows, device=encoded.last_hidden_state.device)
            alignments = self._alignments(select_rows(encoded, index), spellings)
            for row, spelling, alignment in zip(rows, spellings, alignments, strict=True):
                found[row] = _words(spelling, alignment)
        return found

    def _spelling(self, line: ReadLine) -> _Spelling:
        cells = line_cells(
            self.processor.tokenizer, line.hypothesis.token_ids, self.token_strings, line.text
        )
        placement = self.processor.image_processor.placement(line.picture)
        return _Spelling(line, placement, cells, visual_order([cell.text for cell in cells]))

    def _alignments(
        self, encoded: EncoderOutput, spellings: Sequence[_Spelling]
    ) -> list[_Alignment]:
        if encoded.ctc_logits is None:
            return self._by_attention(encoded, spellings)
        return self._by_ctc(encoded, spellings)

    def _by_ctc(self, encoded: EncoderOutput, spellings: Sequence[_Spelling]) -> list[_Alignment]:
        assert encoded.ctc_logits is not None
        assert encoded.attention_mask is not None
        config = self.model.config.encoder
        texts = [spelling.line.hypothesis.token_ids for spelling in spellings]
        paths = ctc_alignments(
            encoded.ctc_logits, encoded.attention_mask, texts, config.ctc_blank_token_id
        )
        found = []
        for spelling, path in zip(spellings, paths, strict=True):
            doubts = _decoder_doubts(spelling.line.hypothesis)
            if path is None:
                found.append(_Alignment(None, doubts))
                continue
            pixels = PIXELS_PER_TOKEN / config.ctc_frames_per_token / spelling.placement.width
            # Frames run to the right, and so do the middles, whichever way the text is written.
            tokens = tokens_in_order(spelling.standing)
            places = path.middles[sorted(tokens)] * pixels
            joint = CTC_WEIGHT * -path.logprobs + (1 - CTC_WEIGHT) * doubts
            found.append(_Alignment(dict(zip(tokens, places.tolist(), strict=True)), joint))
        return found

    def _by_attention(
        self, encoded: EncoderOutput, spellings: Sequence[_Spelling]
    ) -> list[_Alignment]:
        texts = [spelling.line.hypothesis.token_ids for spelling in spellings]
        found = []
        weights = cross_attention(self.model, encoded, texts)
        for spelling, seen in zip(spellings, weights, strict=True):
            tokens = tokens_in_order(spelling.standing)
            places = ordered_middles(seen[:, tokens]).tolist()
            doubts = _decoder_doubts(spelling.line.hypothesis)
            found.append(_Alignment(dict(zip(tokens, places, strict=True)), doubts))
        return found


def _decoder_doubts(hypothesis: Hypothesis) -> FloatArray:
    """-ln p of each token under the decoder."""
    return -np.array(hypothesis.token_logprobs[: len(hypothesis.token_ids)])


def _words(spelling: _Spelling, alignment: _Alignment) -> tuple[Word, ...]:
    boxes = _boxes(spelling, alignment.middles)
    confidence = _Confidence(spelling, alignment.doubts)
    cells = spelling.cells
    inked = [i for i, cell in enumerate(cells) if cell.word >= 0]
    found = []
    for _, group in groupby(inked, key=lambda i: cells[i].word):
        members = list(group)
        characters = tuple(Character(cells[i].text, boxes[i], confidence([i])) for i in members)
        text = "".join(character.text for character in characters)
        box = union(character.box for character in characters)
        found.append(Word(text, box, confidence(members), characters))
    return tuple(found)


def _boxes(spelling: _Spelling, middles: dict[int, float] | None) -> dict[int, Box]:
    """Of each character that is no space, by its position in logical order."""
    placement = spelling.placement
    ink = find_ink(spelling.line.picture, placement)
    left, right = ink.left, ink.right
    if middles is None:
        step = (right - left) / len(spelling.order)
        columns = [left + (i + 0.5) * step for i in range(len(spelling.order))]
    else:
        width = placement.right - placement.left
        places = {token: placement.left + share * width for token, share in middles.items()}
        columns = cell_middles(spelling.standing, places, left, right)
    standing = [
        (i, column)
        for i, column in zip(spelling.order, columns, strict=True)
        if spelling.cells[i].word >= 0
    ]
    words = [spelling.cells[i].word for i, _ in standing]
    boxes = character_boxes(ink, np.array([column for _, column in standing]), words)
    return dict(zip((i for i, _ in standing), boxes, strict=True))


class _Confidence:
    """Of some characters of a line, by their positions."""

    def __init__(self, spelling: _Spelling, doubts: FloatArray) -> None:
        self._doubts, self._tokens = cell_doubts(spelling.cells, doubts.tolist())
        probability = spelling.line.probability
        if probability is not None:
            inked = np.array([cell.word >= 0 for cell in spelling.cells])
            self._doubts = np.where(inked, self._doubts.clip(LEAST_DOUBT), 0)
            self._doubts *= -np.log(max(probability, 1e-30)) / self._doubts.sum()
            self._tokens[:] = 0

    def __call__(self, members: Sequence[int]) -> float:
        """The geometric mean over tokens; the product where they do not count."""
        doubt, tokens = self._doubts[members].sum(), self._tokens[members].sum()
        return float(np.exp(-max(doubt, 0.0) / (tokens or 1.0)))
