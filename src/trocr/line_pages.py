"""Which page each line was cut from: as the set, a pattern, or the names of its files say."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from .errors import UsageError
from .labelled_lines import LabelledLine

MIN_PAGES = 3  # guessed from names
MIN_LINES_A_PAGE = 3  # on average, where pages are guessed
# The number of a line, what it may be called, and the same for the regions of a page before it.
_LINE = re.compile(r"(?:^|[-_. ])?(?:line|ln|l|row|zeile|ligne)[-_. ]?\d+$|(?:^|[-_. ])\d+$", re.I)
_REGION = re.compile(r"[-_. ](?:text)?(?:region|reg|tr|r|block|zone|column|col)[-_. ]?\d+$", re.I)
_EXTENSION = re.compile(r"\.[A-Za-z]\w{0,4}$")  # several of them: page_3.gt.txt, 010001.bin.png


@dataclass(frozen=True)
class Pages:
    """The page of each line of a set.

    Attributes:
        names: one a line; a line that is on no known page has a name of its own.
        source: ``"given"`` by the set or a pattern, ``"guessed"`` from the names of the files, or
            ``""``.
        count: of known pages.
    """

    names: list[str]
    source: str
    count: int

    @property
    def words(self) -> str:
        """``12 pages, guessed from the names of the files``."""
        if not self.source:
            return "no pages known"
        loose = len(set(self.names)) - self.count
        on_none = f" and {counted(loose, 'line')} on none of them" if loose else ""
        guessed = ", guessed from the names of the files" if self.source == "guessed" else ""
        return f"{counted(self.count, 'page')}{guessed}{on_none}"


def counted(number: int, thing: str) -> str:
    """``1 page``, ``1,200 pages``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def pages_of(lines: Sequence[LabelledLine], pattern: str | None = None) -> Pages:
    """The pages that the set or a pattern gives; for other lines, those that file names suggest.

    Names suggest pages where nearly all of them end in a number behind a common beginning
    (``<page>_<line>``, ``<page>-l012``, ``<page>/<line>``), there are at least ``MIN_PAGES`` such
    beginnings with ``MIN_LINES_A_PAGE`` lines on average, and few stand alone.

    Args:
        pattern: captures the page in the name of a file, its folder and suffix left out:
            ``(.*)_[^_]*$``. Asked for lines whose page the set does not give.

    Raises:
        UsageError: the pattern is none, or captures nothing in a name.
    """
    if pattern is not None:
        names = [line.page or _captured(line.file, pattern) for line in lines]
        return Pages(names, "given", len(set(names)))
    given = {line.page for line in lines if line.page}
    guessed = _guessed([line.file for line in lines if not line.page])
    names = [line.page or guessed.get(line.file, line.file) for line in lines]
    source = "given" if given else "guessed" if guessed else ""
    return Pages(names, source, len(given.union(guessed.values())))


def _guessed(files: Sequence[str]) -> dict[str, str]:
    """Pages by file, as far as names suggest any."""
    pages = {file: page for file in files if (page := _page_in(file))}
    counts = Counter(pages.values())
    on_pages = sum(count for count in counts.values() if count > 1)
    convincing = (
        len(counts) >= MIN_PAGES
        and counts.total() >= MIN_LINES_A_PAGE * len(counts)
        and on_pages >= 0.9 * len(files)
    )
    return pages if convincing else {}


def _captured(file: str, pattern: str) -> str:
    try:
        match = re.match(pattern, PurePosixPath(file).stem)
        page = match and match[1]
    except (re.error, IndexError) as error:
        raise UsageError(f"{pattern!r}: {error}.", "Write it as in '(.*)_[^_]*$'.") from None
    if not page:
        raise UsageError(
            f"{pattern!r} captures nothing in the name of {file}.",
            "Write one that captures the page's name, such as '(.*)_[^_]*$'.",
        )
    return page


def _page_in(file: str) -> str:
    """What is left of a file's path without the number of the line; empty where there is none."""
    path = PurePosixPath(file)
    stem = path.name
    while match := _EXTENSION.search(stem):
        stem = stem[: match.start()]
    match = _LINE.search(stem)
    if match is None:
        return str(path.parent) if path.parent.name else ""
    beginning = stem[: match.start()]
    while region := _REGION.search(beginning):
        beginning = beginning[: region.start()]
    return str(path.parent / beginning) if beginning or path.parent.name else ""
