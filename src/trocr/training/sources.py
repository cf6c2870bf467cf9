"""The sources and validation sets that a configuration names."""

from __future__ import annotations

from ..errors import DataError
from ..labelled_lines import LabelledLine
from .config import LineSetSection, SyntheticSection, TrainingConfig
from .data import BlankLines, LineSource, RealLines, StraightenedLines
from .recombine import Cutter, RecombinedLines
from .sets import group_of, read_split

Sources = list[tuple[LineSource, float]]  # with their weights
ValidationSets = dict[str, tuple[list[LabelledLine], bool]]  # lines, and whether case-blind


def read_sources(config: TrainingConfig, cutter: Cutter) -> tuple[Sources, ValidationSets]:
    """Weighted sources to train on, and validation lines by set.

    Args:
        cutter: of the lines of sets that are ``recombined``.

    Raises:
        DataError: a set cannot be read, or there is nothing to train on.
    """
    sources: Sources = []
    made: Sources = []
    validation: ValidationSets = {}
    straighten = config.model.straighten
    for section in config.data.sets:
        train, held_out = read_split(section, config.folder)
        lines = RealLines(train, section.case_blind, straighten)
        sources.append((lines, section.weight * (1 - section.recombined)))
        if section.recombined:
            recombined = _recombined(lines, section, cutter)
            sources.append((recombined, section.weight * section.recombined))
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


def _recombined(lines: RealLines, section: LineSetSection, cutter: Cutter) -> RecombinedLines:
    pictures = [lines.picture(number) for number in range(len(lines.lines))]
    groups = [group_of(line.file, section.group_pattern) for line in lines.lines]
    pieces = cutter(pictures, [line.text for line in lines.lines])
    if not any(pieces):
        raise DataError(
            f"{section.path}: the model of start_from reads no line well enough to cut it.",
            "Leave out recombined, or train on the lines as they are first.",
        )
    return RecombinedLines(lines, groups, pieces)


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
