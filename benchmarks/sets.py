"""The labelled sets that engines are compared on, and the folders they are written to once.

Real lines are the validation pages of the training configurations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from made import noise_crops, paper_crops, plain_lines, worn_lines
from report import ROOT

from trocr.labelled_lines import LABELS, LabelledLine, read_labelled_lines, write_labelled_lines
from trocr.training.config import LineSetSection, SyntheticSection, TrainingConfig
from trocr.training.sets import split_by_group

CONFIGS = ("printed", "handwritten")
BLANK = ("blank", "blank-hand")


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
    BenchmarkSet("worn-print", "the same, worn and badly copied", "printed"),
    BenchmarkSet("ehri", "typescript, English", "printed"),
    BenchmarkSet("tapus", "typescript, French", "printed", "fra"),
    BenchmarkSet("fondue", "book print, English", "printed"),
    BenchmarkSet("rendered-hand", "rendered handwriting, unseen fonts", "handwritten"),
    BenchmarkSet("worn-hand", "the same, worn and badly copied", "handwritten"),
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
        return [*noise_crops(BLANK.index(name)), *paper_crops()]
    section, config = _sections()[name.replace("worn", "rendered")]
    if isinstance(section, SyntheticSection):
        make = worn_lines if name.startswith("worn") else plain_lines
        return list(make(section, config))
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
