"""What a run does: the model it begins with, the lines it learns from, how long and how fast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..config import LineEncoderConfig
from ..line_image import LineImageProcessor
from ..model import VisionEncoderDecoderModel
from ..processor import TrOCRProcessor
from ..tokenizer import Tokenizer
from .config import OptimizationSection, TrainingConfig
from .recombine import ModelCutter
from .sources import Sources, ValidationSets, read_sources
from .start import first_model


@dataclass(frozen=True)
class TrainingPlan:
    """One run.

    Attributes:
        model: what it begins with; trained in place.
        read_sources: weighted sources to train on, and validation sets.
        source: all of this in words, ``training.toml`` in the folder of the finished model.
        lines_per_chunk, curriculum_lines: as in ``DataSection``.
        begins_trained: the model reads already, so that what it reads is scored before step 1.
        finished: the model that is saved, of the one that was trained.
    """

    model: VisionEncoderDecoderModel
    processor: TrOCRProcessor
    read_sources: Callable[[], tuple[Sources, ValidationSets]]
    optimization: OptimizationSection
    source: str
    lines_per_chunk: int = 512
    curriculum_lines: int = 0
    begins_trained: bool = False
    finished: Callable[[VisionEncoderDecoderModel], VisionEncoderDecoderModel] = lambda model: model


def configured_plan(config: TrainingConfig) -> TrainingPlan:
    """What a configuration file asks for.

    Raises:
        UsageError: an unknown key of the encoder or the decoder.
        CheckpointError: a model to start from that does not fit.
    """
    torch.manual_seed(config.optimization.seed)
    tokenizer = Tokenizer.from_characters(config.model.characters)
    model = first_model(config, tokenizer)
    encoder: LineEncoderConfig = model.config.encoder
    image_processor = LineImageProcessor(
        encoder.image_height,
        encoder.max_image_width,
        straighten=config.model.straighten,
        stretch=config.model.stretch,
    )
    return TrainingPlan(
        model,
        TrOCRProcessor(image_processor, tokenizer),
        lambda: read_sources(config, ModelCutter(model, image_processor, tokenizer)),
        config.optimization,
        config.source,
        config.data.lines_per_chunk,
        config.data.curriculum_lines,
        begins_trained=bool(config.model.start_from),
    )
