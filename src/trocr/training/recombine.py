"""New lines of the words of real ones, so that a model cannot learn whole lines by heart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..align.ctc import ctc_alignments
from ..ctc import ctc_greedy_ids
from ..line_image import (
    PAPER_PERCENTILE,
    LineImageProcessor,
    grey_levels,
    normalize_ink,
    straightened,
)
from ..metrics import character_error_rate
from ..model import VisionEncoderDecoderModel
from ..tokenizer import Tokenizer
from .data import RealLines

LINES_PER_PASS = 32
INK = 0.4  # of a pixel's normalized level, from which it is no paper
MIN_GAP = 0.08  # of the line's height, in columns
INK_IN_GAP = 0.02  # of the line's height, in pixels a column: specks, and what hangs in from above
MOST_ERRORS = 15.0  # per cent of a line's characters: of others it is unsure where words are
MEAN_RUN = 2.0  # words that stay together


@dataclass(frozen=True)
class Piece:
    """Columns ``left`` to ``right`` of a line, which show ``text``: words without gaps to cut."""

    left: int
    right: int
    text: str


class Cutter(Protocol):
    """Finds the pieces of each line; none of a line that it does not know."""

    def __call__(
        self, pictures: Sequence[Image.Image], texts: Sequence[str]
    ) -> list[tuple[Piece, ...]]: ...


class ModelCutter:
    """Cuts lines that a line model reads well, at the gaps where its CTC head sees spaces.

    Args:
        most_errors: of a line that it knows, in per cent of its characters.
    """

    def __init__(
        self,
        model: VisionEncoderDecoderModel,
        processor: LineImageProcessor,
        tokenizer: Tokenizer,
        most_errors: float = MOST_ERRORS,
    ) -> None:
        self.model, self.tokenizer, self.most_errors = model, tokenizer, most_errors
        self.processor = LineImageProcessor(
            processor.image_height, processor.max_image_width, stretch=processor.stretch
        )

    @torch.inference_mode()
    def __call__(
        self, pictures: Sequence[Image.Image], texts: Sequence[str]
    ) -> list[tuple[Piece, ...]]:
        """The pieces of each picture, already straightened if the model wants that."""
        training = self.model.training
        self.model.eval()
        found: list[tuple[Piece, ...]] = [()] * len(pictures)
        by_width = sorted(
            range(len(pictures)), key=lambda i: pictures[i].width / pictures[i].height
        )
        for start in range(0, len(by_width), LINES_PER_PASS):
            rows = by_width[start : start + LINES_PER_PASS]
            middles = self._middles([pictures[i] for i in rows], [texts[i] for i in rows])
            for i, places in zip(rows, middles, strict=True):
                if places is not None:
                    found[i] = pieces_of(pictures[i], texts[i], places)
        self.model.train(training)
        return found

    def _middles(
        self, pictures: Sequence[Image.Image], texts: Sequence[str]
    ) -> list[NDArray[np.float64] | None]:
        """Columns of the characters of each line; None where the model reads too much else."""
        inputs = self.processor(list(pictures), return_tensors="pt").to(self.model.device)
        encoded = self.model.encoder(**inputs)
        blank = self.model.config.encoder.ctc_blank_token_id
        ids = [self.tokenizer.encode(text, add_special_tokens=False) for text in texts]
        read = ctc_greedy_ids(encoded.ctc_logits, encoded.attention_mask, blank)
        paths = ctc_alignments(encoded.ctc_logits, encoded.attention_mask, ids, blank)
        per_frame = inputs["pixel_mask"].shape[1] / encoded.ctc_logits.shape[1]
        found: list[NDArray[np.float64] | None] = []
        guesses = self.tokenizer.batch_decode(read, skip_special_tokens=True)
        for picture, guess, text, path in zip(pictures, guesses, texts, paths, strict=True):
            known = path is not None and character_error_rate([guess], [text]) <= self.most_errors
            scale = per_frame * picture.width / self.processor.drawn_width(picture.size)
            found.append(path.middles * scale if path is not None and known else None)
        return found


def pieces_of(picture: Image.Image, text: str, middles: NDArray[np.float64]) -> tuple[Piece, ...]:
    """A line cut in the middle of every gap between words that is really paper.

    Args:
        picture: a straightened line.
        middles: (characters,) columns of the characters of ``text``.
    """
    ink = normalize_ink(picture) > INK
    paper = ink.sum(0) <= max(1, INK_IN_GAP * picture.height)
    written = np.flatnonzero(~paper)
    if not len(written):
        return ()
    cuts, halves = [], []
    for place in [i for i, character in enumerate(text) if character == " "]:
        left, right = int(middles[place - 1]), int(middles[place + 1]) + 1
        first, last = _longest_run(paper[left:right])
        if last - first >= MIN_GAP * picture.height:
            cuts.append((place, left + (first + last) // 2))
            halves.append((last - first) / 2)
    margin = round(float(np.median(halves))) if halves else round(MIN_GAP * picture.height)
    edges = [
        (-1, max(0, int(written[0]) - margin)),
        *cuts,
        (len(text), min(picture.width, int(written[-1]) + 1 + margin)),
    ]
    return tuple(
        Piece(left, right, text[start + 1 : end]) for (start, left), (end, right) in pairwise(edges)
    )


def _longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """First position of the longest run of true values, and the one after its last."""
    steps = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0]))))
    runs = list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))
    return max(runs, key=lambda run: run[1] - run[0], default=(0, 0))


class RecombinedLines:
    """Lines put together of pieces of lines of one group, in the hand of one writer.

    A line has about as many pieces as a line of its group, and no more characters than the longest
    of all. Neighbours stay together in short runs; runs stand on one base line, on paper of one
    level.

    Args:
        groups: of each line.
        pieces: of each line.
    """

    def __init__(
        self, lines: RealLines, groups: Sequence[str], pieces: Sequence[tuple[Piece, ...]]
    ) -> None:
        self.lines, self.pieces, self.case_blind = lines, pieces, lines.case_blind
        members = defaultdict(list)
        self.known = [number for number, own in enumerate(pieces) if own]
        for number in self.known:
            members[groups[number]].append(number)
        self.beside = {number: members[groups[number]] for number in self.known}
        self.longest = max(len(lines.lines[number].text) for number in self.known)

    def draw(self, generator: np.random.Generator) -> tuple[Image.Image, str]:
        model_line = self.known[int(generator.integers(len(self.known)))]
        others = self.beside[model_line]
        wanted = len(self.pieces[model_line])
        runs: list[tuple[Image.Image, Image.Image]] = []
        texts: list[str] = []
        while wanted > 0:
            number = others[int(generator.integers(len(others)))]
            own = self.pieces[number]
            length = min(wanted, len(own), int(generator.geometric(1 / MEAN_RUN)))
            start = int(generator.integers(len(own) - length + 1))
            run = own[start : start + length]
            picture = self.lines.picture(number)
            runs.append((picture, picture.crop((run[0].left, 0, run[-1].right, picture.height))))
            texts += [piece.text for piece in run]
            wanted -= length
        text = " ".join(texts)
        if len(text) > self.longest:  # of words that are all long
            return self.draw(generator)
        picture = _joined(runs)
        return straightened(picture) if self.lines.straighten else picture, text


def _joined(runs: Sequence[tuple[Image.Image, Image.Image]]) -> Image.Image:
    """Crops of lines side by side, where the rows of ink of their lines agree best."""
    profiles = [normalize_ink(line).clip(0, 1).mean(1) for line, _ in runs]
    tops = [_offset(profiles[0], profile) for profile in profiles]
    papers = [grey_levels(np.asarray(line), [PAPER_PERCENTILE])[0] for line, _ in runs]
    above = min(tops)
    height = max(top + crop.height for top, (_, crop) in zip(tops, runs, strict=True)) - above
    canvas = np.full((height, sum(crop.width for _, crop in runs)), papers[0], np.uint8)
    left = 0
    for top, paper, (_, crop) in zip(tops, papers, runs, strict=True):
        shifted = np.asarray(crop).astype(np.int16) + papers[0] - paper
        rows = slice(top - above, top - above + crop.height)
        canvas[rows, left : left + crop.width] = shifted.clip(0, 255)
        left += crop.width
    return Image.fromarray(canvas)


def _offset(profile: NDArray[np.float32], other: NDArray[np.float32]) -> int:
    """Rows to move ``other`` down by so that it agrees best with ``profile``."""
    agreement = np.correlate(profile, other, "full")
    return int(agreement.argmax()) - len(other) + 1
