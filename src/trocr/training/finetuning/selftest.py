"""Eight lines learnt by heart: whatever cannot do that will learn nothing from more lines."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ...labelled_lines import LabelledLine
from ...model import VisionEncoderDecoderModel
from ...processor import TrOCRProcessor
from ..config import OptimizationSection
from ..data import plain_batches
from ..loss import JointLoss
from ..precision import Precision
from ..preparation import preparation_for
from ..schedule import Optimizer
from ..validation import Reading, validate

LINES = 8
MAX_STEPS = 150
LOOK_EVERY = 5
RIGHT = 100.0  # per cent


@dataclass(frozen=True)
class SelfTest:
    """``passed`` after ``steps``; ``wrong`` are the lines that it still read otherwise."""

    passed: bool
    steps: int
    wrong: list[Reading]


def learn_by_heart(
    model: VisionEncoderDecoderModel,
    processor: TrOCRProcessor,
    lines: Sequence[LabelledLine],
    section: OptimizationSection,
) -> SelfTest:
    """Train a copy of a model on lines spread over a set, undistorted, until all are read right.

    Right is CER 0 of what is read, and the end of every text after its last character.

    Args:
        section: of the run to come; its learning rate, noise and smoothing are not used.
    """
    some = lines[:: -(-len(lines) // LINES)][:LINES]
    learner = copy.deepcopy(model).eval()  # no dropout, and the norms as they are
    tokenizer = processor.tokenizer
    (batch,) = plain_batches(
        some, tokenizer, preparation_for(processor.image_processor), rows=LINES
    )
    plain = OptimizationSection(
        max_steps=MAX_STEPS,
        learning_rate=2 * section.learning_rate,
        ctc_weight=section.ctc_weight,
        label_smoothing=0.0,
        decoder_token_noise=0.0,
    )
    precision = Precision(learner.device, section.bfloat16)
    joint_loss = JointLoss(tokenizer, plain, precision)
    optimizer = Optimizer(learner, plain)
    readings: list[Reading] = []
    for step in range(MAX_STEPS + 1):
        if step % LOOK_EVERY == 0:
            scores, readings = validate(learner, [batch], tokenizer)
            if scores["cer"] == 0 and scores["decoder_accuracy"] == RIGHT:
                return SelfTest(True, step, [])
        optimizer.zero_grad()
        ctc, decoder = joint_loss(learner, batch)
        (plain.ctc_weight * ctc + (1 - plain.ctc_weight) * decoder).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learner.parameters(), plain.max_grad_norm)
        optimizer.step(plain.learning_rate)
    return SelfTest(False, MAX_STEPS, [one for one in readings if one.cer > 0])
