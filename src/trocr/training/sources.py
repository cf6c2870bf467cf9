"""The sources and validation sets that a configuration names."""

from __future__ import annotations

from ..errors import DataError
from ..labelled_lines import LabelledLine
from .config import SyntheticSection, TrainingConfig
from .data import BlankLines, LineSource, RealLines, StraightenedLines
from .sets import read_split

Sources = list[tuple[LineSource, float]]  # with their weights
ValidationSets = dict[str, tuple[list[LabelledLine], bool]]  # lines, and whether case-blind


def read_sources(config: TrainingConfig) -> tuple[Sources, ValidationSets]:
    """Weighted sources to train on, and validation lines by set.

    Raises:
        DataError: a set cannot be read, or there is nothing to train on.
    """
    sources: Sources = []
    made: Sources = []
    validation: ValidationSets = {}
    straighten = config.model.straighten
    for section in config.data.sets:
        train, held_out = read_split(section, config.folder)
        sources.append((RealLines(train, section.case_blind, straighten), section.weight))
        if held_out:
            validation[section.name] = (held_out, section.case_blind)
    for synthetic in config.data.synthetic:
        source, held_out = _synthetic(synthetic, config)
        made.append((source, synthetic.weight))
        validation[synthetic.name] = (held_out, False)
    if not sources and not made:
        raise DataError("The configuration names no lines to train on.", "Add [[data.sets]] to it.")
    if config.data.blank_weight:
        made.append((BlankLines(), config.data.blank_weight))
    if straighten:
        made = [(StraightenedLines(source), weight) for source, weight in made]
    return sources + made, validation


def _synthetic(
    section: SyntheticSection, config: TrainingConfig
) -> tuple[LineSource, list[LabelledLine]]:
    from .synthetic.fonts import read_faces
    from .synthetic.lines import SyntheticLines
    from .synthetic.texts import TextSource

    fonts = config.folder / section.fonts
    texts = TextSource(
        config.folder / section.texts,
        section.mixture,
        section.languages,
        config.model.characters,
    )
    source, held_out = (
        SyntheticLines(read_faces(fonts, section.kind, part), texts, config.optimization.seed)
        for part in ("train", "validation")
    )
    lines = map(held_out.line, range(section.validation_lines))
    return source, [
        LabelledLine.of(f"{number:06}", grey, text) for number, (grey, text) in enumerate(lines)
    ]
