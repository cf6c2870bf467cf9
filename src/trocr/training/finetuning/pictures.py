"""What can be wrong with the picture of a labelled line: its header, and more if in doubt."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image

from ...config import PIXELS_PER_TOKEN, LineEncoderConfig, VisionEncoderDecoderConfig
from ...errors import ImageError
from ...image import load_image, open_picture
from ...image_processor import ImageProcessor
from ...ink import is_blank
from ...labelled_lines import LabelledLine
from ...line_image import MIN_ROW_SHARE, LineImageProcessor, levelling

MIN_HEIGHT = 8  # pixels; less shows no letters
MAX_SQUEEZE = 2.0  # times that a picture may be too wide for the model
DECODED = 1000  # pictures looked at in full, at most, among those whose header is fine
EMPTIEST = 0.02  # share of pictures, those with the fewest bytes a pixel, that are all looked at

NO_PICTURE = "no picture, or a damaged one"
TOO_LOW = f"pictures lower than {MIN_HEIGHT} pixels"
BLANK = "blank pictures that are labelled with a text"
TOO_WIDE = "pictures so wide that the model would see them at less than half its resolution"
TOO_NARROW = "pictures too narrow for their texts"


@dataclass(frozen=True)
class Limits:
    """What a model can take.

    Attributes:
        max_label_tokens: tokens of a text, without special ones.
        image_processor: that of a line model; None for models that see every line in one size.
        frames_per_token: of its CTC head; 0 without one.
    """

    max_label_tokens: int
    image_processor: LineImageProcessor | None = None
    frames_per_token: int = 0

    @classmethod
    def of(cls, config: VisionEncoderDecoderConfig, image_processor: ImageProcessor) -> Limits:
        """Those of a model and what prepares its pictures."""
        encoder = config.encoder
        return cls(
            config.decoder.max_position_embeddings - 2,  # the start token and <s> have positions
            image_processor if isinstance(image_processor, LineImageProcessor) else None,
            encoder.ctc_frames_per_token if isinstance(encoder, LineEncoderConfig) else 0,
        )


@dataclass(frozen=True)
class Fault:
    """Why a line cannot be learnt from: what such lines have in common, and the details of this."""

    kind: str
    detail: str = ""


@dataclass(frozen=True)
class CheckedPicture:
    """``size``: width and height in pixels by the header; None where there is no picture."""

    size: tuple[int, int] | None
    fault: Fault | None


def check_pictures(
    lines: Sequence[LabelledLine], token_ids: Sequence[Sequence[int]], limits: Limits
) -> list[CheckedPicture]:
    """Look at every header, and decode what is doubtful or may be blank.

    Args:
        token_ids: of the labels, without special tokens.

    Decoded are pictures that seem too wide or too narrow, the ``EMPTIEST``, and ``DECODED`` others
    at most, spread over the set: a blank picture with much noise may go unnoticed.
    """
    checked = [_by_header(line, ids, limits) for line, ids in zip(lines, token_ids, strict=True)]
    sound = [i for i, (picture, _) in enumerate(checked) if picture.fault is None]
    decoded = {i for i in sound if checked[i][1]} | _sample(lines, checked, sound)
    return [
        CheckedPicture(picture.size, _when_decoded(line, ids, limits))
        if number in decoded
        else picture
        for number, (line, ids, (picture, _)) in enumerate(
            zip(lines, token_ids, checked, strict=True)
        )
    ]


def _by_header(
    line: LabelledLine, ids: Sequence[int], limits: Limits
) -> tuple[CheckedPicture, bool]:
    """What the header says, and whether the rest has to be looked at."""
    try:
        width, height = open_picture(io.BytesIO(line.image), line.file).size
    except ImageError as error:
        return CheckedPicture(None, Fault(NO_PICTURE, error.message)), False
    if height < MIN_HEIGHT or width < 1:
        fault = Fault(TOO_LOW, f"{width} × {height} pixels")
        return CheckedPicture((width, height), fault), False
    doubtful = False
    if limits.image_processor is not None:
        drawn = limits.image_processor.wanted_width((width, height))
        widest = drawn / MIN_ROW_SHARE if limits.image_processor.straighten else drawn
        doubtful |= widest > MAX_SQUEEZE * limits.image_processor.max_image_width
        doubtful |= _frames(drawn, limits) < _frames_needed(ids)
    return CheckedPicture((width, height), None), doubtful


def _sample(
    lines: Sequence[LabelledLine],
    checked: Sequence[tuple[CheckedPicture, bool]],
    sound: Sequence[int],
) -> set[int]:
    """Pictures with little in them, and some of the others."""

    def bytes_per_pixel(number: int) -> float:
        width, height = checked[number][0].size or (1, 1)
        return len(lines[number].image) / (width * height)

    emptiest = sorted(sound, key=bytes_per_pixel)[: math.ceil(EMPTIEST * len(sound))]
    step = max(1, math.ceil(len(sound) / DECODED))
    return {*emptiest[:DECODED], *sound[::step]}


def _when_decoded(line: LabelledLine, ids: Sequence[int], limits: Limits) -> Fault | None:
    try:
        picture = load_image(line.image, name=line.file)
    except ImageError as error:
        return Fault(NO_PICTURE, error.message)
    if is_blank(picture):
        return Fault(BLANK, repr(line.text))
    if limits.image_processor is None:
        return None
    return _misshapen(picture.convert("L"), ids, limits, limits.image_processor)


def _misshapen(
    grey: Image.Image, ids: Sequence[int], limits: Limits, processor: LineImageProcessor
) -> Fault | None:
    """Too wide for the model, or too narrow for the text, as the model is shown the picture."""
    rows = grey.height
    if processor.straighten:
        level = levelling(grey)
        rows = level.bottom - level.top
    width = processor.wanted_width((grey.width, rows))
    if width > MAX_SQUEEZE * processor.max_image_width:
        return Fault(TOO_WIDE, f"{grey.width} × {grey.height} pixels")
    frames, needed = _frames(min(width, processor.max_image_width), limits), _frames_needed(ids)
    if frames < needed:
        detail = f"{grey.width} × {grey.height} pixels, {frames} columns for {needed} tokens"
        return Fault(TOO_NARROW, detail)
    return None


def _frames(width: float, limits: Limits) -> float:
    """Columns of CTC logits that a picture of the model's height has; no end without CTC."""
    if not limits.frames_per_token:
        return math.inf
    return math.ceil(max(1, round(width)) / PIXELS_PER_TOKEN) * limits.frames_per_token


def _frames_needed(ids: Sequence[int]) -> int:
    """One a token, and a blank between two equal ones."""
    return len(ids) + sum(a == b for a, b in pairwise(ids))
