"""A page whose lines were found and wait to be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from PIL import Image

from ..document import Line, Page, Region, rectangle
from ..errors import ImageError, TrOCRError
from ..image import reason
from ..layout import find_lines
from ..layout.crops import Crop, cut
from ..layout.orientation import quarter_turn
from ..layout.page_ink import ink_of
from ..pages import PageImage
from .pieces import pieces_of
from .settings import Settings

LINE_SHAPE = 2.0  # width over height from which a picture may be one line
SMALL_HEIGHT = 64  # pixels; a picture no higher may be one line whatever its shape
ROW_SHARE = 0.4  # of the picture's height, that the row in a line's picture takes
TALL = 1.6  # times the usual height of the page's lines, from which a given line is looked into
STACKED = 0.3  # of the lower one's height, that two rows above each other share at most
LEAST_ROW = 0.4  # of the height of the highest, that each of several lines in a crop has

_TURNS = {  # clockwise; Pillow counts the other way round
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


_LineCrop = tuple[Line, Crop]


@dataclass(frozen=True, eq=False)
class Draft:
    """A page with the pictures of its lines.

    Attributes:
        picture: the page as it came.
        turn: degrees clockwise that made it upright.
        upright: the picture turned so.
        regions: of the upright picture, lines without text; in reading order if ``given``.
        pieces: of each line of all regions, in that order; see ``pieces_of``.
        given: regions and lines were not found, but given.
        whole: the picture is taken for one line.
    """

    picture: PageImage
    turn: int
    upright: Image.Image
    regions: tuple[Region, ...]
    pieces: tuple[tuple[Crop, ...], ...]
    given: bool = False
    whole: bool = False

    @property
    def crops(self) -> list[Crop]:
        """The pieces of all lines."""
        return [crop for line in self.pieces for crop in line]

    @property
    def pixels(self) -> int:
        """Of all pictures it holds."""
        pictures = [self.upright, *(crop.image for crop in self.crops)]
        return sum(picture.width * picture.height for picture in pictures)


def draft_of(picture: PageImage, settings: Settings) -> Draft:
    """Find the lines of a page and cut them out.

    Raises:
        ImageError: the detector fails on this page, or there are no boxes for it.
        UsageError, DataError: a detector or boxes that cannot be used at all.
    """
    if settings.lines:
        return _whole(picture)
    finder = _Finder(picture, settings)
    if settings.boxes:
        return _by_boxes(finder, settings.boxes.page(picture))
    image = picture.image
    if image.width < LINE_SHAPE * image.height and image.height > SMALL_HEIGHT:
        return turned_draft(picture, quarter_turn(image), settings)
    lines = finder.lines(image)
    if _is_one_line(image, lines):
        return _whole(picture)
    turn = quarter_turn(image)
    return turned_draft(picture, turn, settings) if turn else _drafted(finder, 0, image, lines)


def _whole(picture: PageImage) -> Draft:
    image = picture.image
    region = Region((Line("", rectangle((0, 0, *image.size))),))
    crop = Crop(image, (1, 0, 0, 0, 1, 0))
    return Draft(picture, 0, image, (region,), ((crop,),), whole=True)


def turned_draft(picture: PageImage, turn: int, settings: Settings) -> Draft:
    """Find the lines of a page that is upright once it was turned clockwise."""
    finder = _Finder(picture, settings)
    upright = _turned(picture.image, turn)
    return _drafted(finder, turn, upright, finder.lines(upright))


def _turned(image: Image.Image, degrees: int) -> Image.Image:
    return image.transpose(_TURNS[degrees]) if degrees else image


def _is_one_line(image: Image.Image, lines: Sequence[Line]) -> bool:
    """Nothing was found, or one row, and that is not a small part of the picture."""
    highest = max(map(_height, lines), default=image.height)
    return not _stacked(lines) and highest >= ROW_SHARE * image.height


def _height(line: Line) -> int:
    return line.box[3] - line.box[1] if line.box else 0


def _stacked(lines: Sequence[Line]) -> bool:
    """Whether some are above others."""
    boxes = sorted((box for line in lines if (box := line.box)), key=lambda box: box[1])
    return any(
        upper[3] - lower[1] < STACKED * min(upper[3] - upper[1], lower[3] - lower[1])
        for at, upper in enumerate(boxes)
        for lower in boxes[at + 1 :]
    )


def _drafted(finder: _Finder, turn: int, upright: Image.Image, lines: Sequence[Line]) -> Draft:
    pieces = finder.pieces(upright, [cut(upright, line) for line in lines])
    return Draft(finder.picture, turn, upright, (Region(tuple(lines)),), pieces)


def _by_boxes(finder: _Finder, given: Page) -> Draft:
    turn = given.orientation
    upright, page = _turned(finder.picture.image, turn), given.turned(turn)
    cuts = [[(line, cut(upright, line)) for line in region.lines] for region in page.regions]
    heights = [crop.image.height for pairs in cuts for _, crop in pairs]
    usual = median(heights) if len(heights) > 2 else 0
    regions, crops = [], []
    for region, pairs in zip(page.regions, cuts, strict=True):
        found: list[_LineCrop] = []
        for line, crop in pairs:
            rows = finder.rows(upright, crop) if crop.image.height > TALL * usual else []
            found += rows or [(line, crop)]
        regions.append(replace(region, lines=tuple(line for line, _ in found)))
        crops += [crop for _, crop in found]
    pieces = finder.pieces(upright, crops)
    return Draft(finder.picture, turn, upright, tuple(regions), pieces, given=True)


@dataclass(frozen=True)
class _Finder:
    """Finds lines on one page, so that what goes wrong is said to be there."""

    picture: PageImage
    settings: Settings

    def lines(self, image: Image.Image) -> tuple[Line, ...]:
        """Those of the page turned upright, or of a part of it."""
        try:
            return find_lines(image, detector=self.settings.detector)
        except TrOCRError:
            raise
        except Exception as error:  # whatever a detector stumbles over costs this page only
            raise ImageError(
                f"The lines of {self.picture.source}, page {self.picture.number} cannot be found:"
                f" {reason(error)}.",
                "Try another detector.",
            ) from error

    def pieces(self, upright: Image.Image, crops: Sequence[Crop]) -> tuple[tuple[Crop, ...], ...]:
        """Each crop, in pieces unless a rule is for the text of whole lines."""
        if not crops or self.settings.regex is not None or self.settings.lexicon is not None:
            return tuple((crop,) for crop in crops)
        ink = ink_of(upright)
        return tuple(pieces_of(crop, ink) for crop in crops)

    def rows(self, upright: Image.Image, crop: Crop) -> list[_LineCrop]:
        """The lines above each other within the crop of one; none if there are no two."""
        lines = self.lines(crop.image)
        least = LEAST_ROW * max((_height(line) for line in lines), default=0)
        found = [line for line in lines if _height(line) >= least]
        if not _stacked(found):
            return []
        rows = [
            replace(
                line,
                polygon=tuple(crop.to_page(*point) for point in line.polygon),
                baseline=tuple(crop.to_page(*point) for point in line.baseline),
            )
            for line in found
        ]
        return [(row, cut(upright, row)) for row in rows]
