"""Everything before the first step: the model, the lines that are fit to learn from, the sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...bundled import bundled_folder
from ...confidence import Calibration
from ...errors import DataError
from ...hub import resolve_folder
from ...labelled_lines import LineSet
from ...line_sets import read_line_set
from ...model import VisionEncoderDecoderModel
from ...processor import TrOCRProcessor
from ...recognizer import load
from ...stream import Reading
from .check import Check, as_dict, check_lines
from .mismatch import mixed_up, without_mix_ups
from .pictures import Limits
from .split import Split, set_apart, split_lines
from .vocabulary import How, with_vocabulary

LEAST_LINES = 8


@dataclass(frozen=True)
class Prepared:
    """A model and the lines that it is about to learn.

    Attributes:
        model, processor: with the vocabulary that the labels need.
        new_tokens: of the vocabulary, which the model did not have.
        calibration: of the model before it learns.
        check: of all lines, as they look and as ``model`` reads them before it learns.
    """

    model: VisionEncoderDecoderModel
    processor: TrOCRProcessor
    new_tokens: int
    calibration: Calibration | None
    check: Check
    split: Split

    def as_dict(self) -> dict[str, Any]:
        """What was found, for JSON."""
        sides = {"train": len(self.split.train), "validation": len(self.split.validation)}
        return {**as_dict(self.check), **sides, "split": self.split.by}


def read_sets(paths: Sequence[str | Path]) -> LineSet:
    """Several sets as one; pages of different sets are different pages.

    Raises:
        DataError: one cannot be read.
    """
    sets = [read_line_set(path) for path in paths]
    if len(sets) == 1:
        return sets[0]
    lines = [
        replace(line, file=f"{path}/{line.file}", page=line.page and f"{path}/{line.page}")
        for path, one in zip(paths, sets, strict=True)
        for line in one.lines
    ]
    skipped = [
        replace(one, where=f"{path}: {one.where}")
        for path, found in zip(paths, sets, strict=True)
        for one in found.skipped
    ]
    return LineSet(lines, skipped, ", ".join(dict.fromkeys(one.format for one in sets)))


def prepare(
    start: str,
    lines: LineSet,
    validation: LineSet | None = None,
    *,
    tokenizer: How = "extend",
    seed: int = 1,
    on_reading: Callable[[Reading], None] = lambda reading: None,
) -> Prepared:
    """Load a model, look at every line, leave out what is wrong, choose what validates.

    Args:
        start: a bundled model, a folder, or a hub id.
        validation: lines to validate on, instead of some pages of ``lines``.
        on_reading: called with every line that is read to see whether its label fits.

    Raises:
        CheckpointError: no such model.
        DataError: too few lines remain.
    """
    folder = bundled_folder(start) or resolve_folder(start)
    processor = TrOCRProcessor.from_pretrained(folder)
    model = VisionEncoderDecoderModel.from_pretrained(folder)
    limits = Limits.of(model.config, processor.image_processor)
    check = check_lines(lines, processor.tokenizer, limits)
    reader = load(folder)
    check = without_mix_ups(check, mixed_up(reader, check.lines, on_reading=on_reading))
    if len(check.lines) < LEAST_LINES:
        raise DataError(
            f"{len(check.lines)} of {check.read} lines are fit to learn from.",
            f"{LEAST_LINES} are the least, some 50 a good beginning; --check says what is wrong.",
        )
    if validation is None:
        split = split_lines(check.lines, seed=seed)
    else:
        held_out = check_lines(validation, processor.tokenizer, limits).lines
        split = set_apart(check.lines, held_out)
    texts = [line.text for line in split.train]
    old = processor.tokenizer
    model, new = with_vocabulary(model, old, texts, tokenizer)
    ready = TrOCRProcessor(processor.image_processor, new)
    new_tokens = len(new.get_vocab().keys() - old.get_vocab().keys())
    return Prepared(model, ready, new_tokens, reader.calibration, check, split)
