"""The labelled sets that engines are compared on, and the folders they are written to once.

Real lines are the validation pages of the training configurations; rendered lines use font
families of the test part, which no training and no validation sees; blank crops have no text.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from trocr.labelled_lines import LABELS, LabelledLine, read_labelled_lines, write_labelled_lines
from trocr.training.blank import blank_line
from trocr.training.config import LineSetSection, SyntheticSection, TrainingConfig
from trocr.training.sets import split_by_group

ROOT = Path(__file__).parent.parent
CONFIGS = ("printed", "handwritten")
PAGES = ROOT.parent / "shared/data/pages.tar.gz"
PAPER = Path(__file__).parent / "paper.tsv"  # page, left, top, width, height of crops of PAGES
BLANK = ("blank", "blank-hand")
GENERATED_LINES = 1000
SEED = 20_260_101  # no training run may use it


@dataclass(frozen=True)
class BenchmarkSet:
    """How a set is read and scored.

    Attributes:
        name: of the set in the training configurations, and of its folder.
        title: what the README calls it.
        model: which of our models reads it.
        language: Tesseract's name of it.
        metric: the score that the README shows.
        ignore_case: the labels have lost their case.
    """

    name: str
    title: str
    model: str
    language: str = "eng"
    metric: str = "cer"
    ignore_case: bool = False


SETS = (
    BenchmarkSet("receipts", "receipts", "printed", metric="word_f1", ignore_case=True),
    BenchmarkSet("rendered-print", "rendered print, unseen fonts", "printed"),
    BenchmarkSet("ehri", "typescript, English", "printed"),
    BenchmarkSet("tapus", "typescript, French", "printed", "fra"),
    BenchmarkSet("fondue", "book print, English", "printed"),
    BenchmarkSet("rendered-hand", "handwriting fonts, unseen", "handwritten"),
    BenchmarkSet("peraire", "one hand, 20th century, French", "handwritten", "fra"),
    BenchmarkSet("cremma19", "ten hands, 19th century, French", "handwritten", "fra"),
    BenchmarkSet("cremma20", "two hands, 20th century, French", "handwritten", "fra"),
    BenchmarkSet("testament", "soldiers' wills, 1914-18, French", "handwritten", "fra"),
    BenchmarkSet("stanford", "letters, 1905, English", "handwritten"),
    BenchmarkSet("blank", "no text, reader of print", "printed", metric="empty"),
    BenchmarkSet("blank-hand", "no text, reader of handwriting", "handwritten", metric="empty"),
)


def set_lines(name: str, folder: Path) -> list[LabelledLine]:
    """The lines of a set, from ``folder/name``; what is not there yet is written first.

    Raises:
        DataError: the data, the fonts or the texts that the set is made from are missing.
    """
    target = folder / name
    if not (target / LABELS).exists():
        write_labelled_lines(made_lines(name), target)
    return list(read_labelled_lines(target))


def made_lines(name: str) -> list[LabelledLine]:
    """The lines of a set from its source, always the same ones."""
    if name in BLANK:
        return [*noise(BLANK.index(name)), *_paper()]
    section, config = _sections()[name]
    if isinstance(section, SyntheticSection):
        return list(_rendered_lines(section, config))
    # Not ``read_split``: the labels are to stay as they are published.
    return split_by_group(list(read_labelled_lines(config.folder / section.path)), section)[1]


def _sections() -> Mapping[str, tuple[LineSetSection | SyntheticSection, TrainingConfig]]:
    """Every set of the training configurations; the first that names one decides."""
    found: dict[str, tuple[LineSetSection | SyntheticSection, TrainingConfig]] = {}
    for name in CONFIGS:
        config = TrainingConfig.read(ROOT / "configs" / f"{name}.toml")
        for section in (*config.data.sets, *config.data.synthetic):
            found.setdefault(section.name, (section, config))
    return found


def _rendered_lines(section: SyntheticSection, config: TrainingConfig) -> Iterator[LabelledLine]:
    # Needs ``trocr[train]``; what is written already does not.
    from trocr.training.synthetic.fonts import read_faces
    from trocr.training.synthetic.lines import SyntheticLines
    from trocr.training.synthetic.texts import TextSource

    source = SyntheticLines(
        read_faces(config.folder / section.fonts, section.kind, "test"),
        TextSource(
            config.folder / section.texts,
            section.mixture,
            section.languages,
            config.model.characters,
        ),
        SEED,
    )
    for index in range(GENERATED_LINES):
        yield _encoded(f"{index:06}", *source.line(index))


def noise(number: int) -> Iterator[LabelledLine]:
    for index in range(GENERATED_LINES):
        generator = np.random.default_rng((SEED, number, index))
        height = int(generator.integers(20, 81))
        width = int(height * np.exp(generator.uniform(np.log(0.8), np.log(16))))
        yield _encoded(f"noise_{index:06}", blank_line(height, width, generator), "")


def _paper() -> Iterator[LabelledLine]:
    """Margins, folds, grids, table edges and bar codes of real pages, chosen by eye."""
    rows = [row.split("\t") for row in PAPER.read_text(encoding="utf-8").splitlines()[1:]]
    boxes = {(page, int(x), int(y), int(x) + int(w), int(y) + int(h)) for page, x, y, w, h in rows}
    with tarfile.open(PAGES) as archive:
        for member in archive:
            page = PurePosixPath(member.name)
            of_page = sorted(box for box in boxes if page.name == f"{box[0]}.jpg")
            stream = archive.extractfile(member) if of_page else None
            if stream is None:
                continue
            picture = Image.open(stream).convert("L")
            for number, (name, *box) in enumerate(of_page):
                yield _encoded(f"{name}_{number}", picture.crop(tuple(box)), "")


def _encoded(name: str, grey: Image.Image, text: str) -> LabelledLine:
    stream = io.BytesIO()
    grey.save(stream, "PNG")
    return LabelledLine(f"images/{name}.png", stream.getvalue(), text)
