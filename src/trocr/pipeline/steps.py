"""How a page is read, step by step, whoever reads the lines."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from statistics import median

from PIL import Image

from ..document import Page
from ..layout.orientation import is_upside_down
from ..line_result import LineResult
from ..pages import PageImage
from .assembly import assembled, page_of_text
from .draft import Draft, draft_of, turned_draft
from .settings import Settings

SURE = 0.5  # median confidence from which a page is taken to be the right way up
PROBED = 6  # lines, the longest, that are also read upside down where it is not


@dataclass(frozen=True, eq=False)
class Unread:
    """Pictures that have to be read before a page goes on.

    Attributes:
        draft: of the page.
        pictures: the crops of the draft, or some of them upside down if it is a `probe`.
    """

    draft: Draft
    pictures: list[Image.Image]
    probe: bool = False


PageSteps = Generator[Unread, Sequence[LineResult], Page]


def page_steps(source: PageImage | Draft, settings: Settings) -> PageSteps:
    """Read a page, or go on from its draft: yields what is unread, is sent the results, returns
    the page.

    Raises:
        ImageError: the lines of this page cannot be found.
        UsageError, DataError: settings that cannot be used.
    """
    if isinstance(source, PageImage) and settings.keep_text and source.embedded_text:
        return page_of_text(source)
    draft = source if isinstance(source, Draft) else draft_of(source, settings)
    results = yield from _read(draft)
    if not draft.given and not draft.whole and _is_unsure(results):
        longest = sorted(range(len(results)), key=lambda at: -draft.crops[at].image.width)[:PROBED]
        turned = [draft.crops[at].image.transpose(Image.Transpose.ROTATE_180) for at in longest]
        found = yield Unread(draft, turned, probe=True)
        if is_upside_down(
            [(results[at].text, results[at].confidence) for at in longest],
            [(result.text, result.confidence) for result in found],
        ):
            draft = turned_draft(draft.picture, (draft.turn + 180) % 360, settings)
            results = yield from _read(draft)
    return assembled(draft, results)


def _read(draft: Draft) -> Generator[Unread, Sequence[LineResult], Sequence[LineResult]]:
    crops = [crop.image for crop in draft.crops]
    return (yield Unread(draft, crops)) if crops else []


def _is_unsure(results: Sequence[LineResult]) -> bool:
    sure = [result.confidence if result.text else 0.0 for result in results]
    return bool(sure) and median(sure) < SURE
