"""A fine-tuning run on disk: begun once, and gone on with by every process and every later try."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch

from ...confidence import Calibration
from ...labelled_lines import LabelledLine, read_labelled_lines, write_labelled_lines
from ...line_image import LineImageProcessor
from ...model import VisionEncoderDecoderModel
from ...processor import TrOCRProcessor
from ..data import BlankLines, LineSource, RealLines, StraightenedLines
from ..loop import Trainer
from ..plan import TrainingPlan
from ..recombine import ModelCutter, RecombinedLines
from ..replicas import Replicas
from ..sources import Sources, ValidationSets
from .adaptation import add_lora, freeze, merge_lora
from .settings import FILE, FinetuningSettings, read_settings
from .split import Split

START, TRAIN, VALIDATION = "start", "train", "validation"
NAME = "pages"  # of the one validation set
LORA_RANK, LORA_ALPHA = 16, 16
MOST_TO_RECOMBINE = 5_000  # lines; more are not learnt by heart
MOST_ERRORS = 45.0  # per cent, of lines whose words are found: a new hand is read badly at first
BLANK_SHARE = 0.03  # of crops without text, so that blank paper stays empty
LINES_PER_CHUNK = 256
PICTURES_PER_CHUNK = 32  # of a published model: each is 1.7 MB


def begin(
    run: Path,
    settings: FinetuningSettings,
    model: VisionEncoderDecoderModel,
    processor: TrOCRProcessor,
    split: Split,
    calibration: Calibration | None = None,
) -> None:
    """Write what a run needs; its settings last, so that a run is there whole or not at all.

    Args:
        calibration: that of the model.
    """
    model.save_pretrained(run / START)
    if calibration:
        calibration.save(run / START)
    processor.save_pretrained(run / START)
    write_labelled_lines(_numbered(split.train), run / TRAIN)
    if split.validation:
        write_labelled_lines(_numbered(split.validation), run / VALIDATION / NAME)
    (run / FILE).write_text(settings.to_toml(), encoding="utf-8")


def is_begun(run: Path) -> bool:
    """Whether there is a run to go on with."""
    return (run / FILE).exists()


def _numbered(lines: Iterable[LabelledLine]) -> Iterator[LabelledLine]:
    """Names that are unique and safe, whatever sets the lines come from."""
    for number, line in enumerate(lines):
        name = re.sub(r"[^\w.-]", "_", PurePosixPath(line.file).name)
        yield replace(line, file=f"images/{number:05}-{name}")


def finetuning_plan(run: Path) -> TrainingPlan:
    """The plan of a run that was begun.

    Raises:
        CheckpointError, DataError, UsageError: its folder is damaged.
    """
    settings = read_settings(run)
    torch.manual_seed(settings.optimization.seed)
    model = VisionEncoderDecoderModel.from_pretrained(run / START)
    processor = TrOCRProcessor.from_pretrained(run / START)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable()
    if settings.method == "lora":
        also = ("embeddings", "heads") if settings.new_tokens else ()
        add_lora(model, LORA_RANK, LORA_ALPHA, also)
    elif settings.method == "decoder":
        freeze(model, ("encoder",))
    return TrainingPlan(
        model,
        processor,
        lambda: _read_sources(run, model, processor),
        settings.optimization,
        settings.to_toml(),
        LINES_PER_CHUNK if model.config.has_line_encoder else PICTURES_PER_CHUNK,
        begins_trained=True,
        finished=_without_adapters,
    )


def _read_sources(
    run: Path, model: VisionEncoderDecoderModel, processor: TrOCRProcessor
) -> tuple[Sources, ValidationSets]:
    image_processor = processor.image_processor
    straighten = isinstance(image_processor, LineImageProcessor) and image_processor.straighten
    real = RealLines(list(read_labelled_lines(run / TRAIN)), straighten=straighten)
    lines: list[LineSource] = [real, *_recombined(real, model, processor)]
    blank: LineSource = StraightenedLines(BlankLines()) if straighten else BlankLines()
    sources = [(source, (1 - BLANK_SHARE) / len(lines)) for source in lines]
    held_out = validation_lines(run)
    return [*sources, (blank, BLANK_SHARE)], {NAME: (held_out, False)} if held_out else {}


def _recombined(
    real: RealLines, model: VisionEncoderDecoderModel, processor: TrOCRProcessor
) -> list[LineSource]:
    """New lines of the words of these, as of one hand, where the model can tell where they are."""
    image_processor, count = processor.image_processor, len(real.lines)
    if not isinstance(image_processor, LineImageProcessor) or count > MOST_TO_RECOMBINE:
        return []
    cutter = ModelCutter(model, image_processor, processor.tokenizer, MOST_ERRORS)
    pictures = [real.picture(number) for number in range(count)]
    pieces = cutter(pictures, [line.text for line in real.lines])
    return [RecombinedLines(real, [NAME] * count, pieces)] if any(pieces) else []


def validation_lines(run: Path) -> list[LabelledLine]:
    """What a run is validated on; nothing if it has no validation."""
    folder = run / VALIDATION / NAME
    return list(read_labelled_lines(folder)) if folder.exists() else []


def _without_adapters(model: VisionEncoderDecoderModel) -> VisionEncoderDecoderModel:
    return merge_lora(copy.deepcopy(model))


def finetune(replicas: Replicas, run: Path, workers: int = 0, minutes: float | None = None) -> None:
    """One process of ``trocr finetune``; goes on from the run's last checkpoint."""
    Trainer(finetuning_plan(run), run, replicas, workers, minutes).train()
