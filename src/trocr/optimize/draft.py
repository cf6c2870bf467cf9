"""Trains a draft head on a frozen encoder: what the model itself writes is what it has to guess."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from ..draft_head import BLANK, DraftHead, DraftHeadConfig
from ..drafts import TextDrafter
from ..encoder import ViTModel
from ..errors import DataError, UsageError
from ..image import load_image
from ..labelled_lines import LabelledLine
from ..outputs import EncoderOutput
from ..recognizer import Recognizer
from ..stream import Reading, read_stream

HELD_OUT = 10  # every tenth line measures the acceptance
EVALUATIONS = 10
LEARNING_RATE = 2e-3
WARM_UP = 0.05  # of the training


@dataclass(frozen=True)
class DraftedLine:
    """An encoded picture, and what the model writes for it."""

    image: bytes
    text: str
    token_ids: tuple[int, ...]


@dataclass(frozen=True)
class Acceptance:
    """How a head does on lines that it was not trained on.

    Attributes:
        lines: that were held out.
        accepted: share of the drafts that equal what the model writes, 0-1.
        tokens: share of its tokens before the first difference, 0-1.
        loss: of the last training step, nats a character.
        step: of the training.
    """

    lines: int
    accepted: float
    tokens: float
    loss: float
    step: int


def lines_of(
    reader: Recognizer,
    lines: Sequence[LabelledLine],
    *,
    batch_size: int = 16,
    on_reading: Callable[[Reading], None] = lambda reading: None,
) -> list[DraftedLine]:
    """Read lines greedily; those without text, or with an unfinished one, are left out.

    Args:
        on_reading: called with every line as it is read, for progress and error reports.
    """
    found = []
    pictures = ((line.file, line.image) for line in lines)
    readings = read_stream(reader, pictures, batch_size=batch_size)
    for line, reading in zip(lines, readings, strict=True):
        on_reading(reading)
        if reading.result is not None and reading.result.finish_reason == "eos":
            token_ids = reading.result.token_ids
            text = reader.processor.tokenizer.decode(list(token_ids), skip_special_tokens=True)
            found.append(DraftedLine(line.image, text, token_ids))
    return found


def train_draft_head(
    reader: Recognizer,
    lines: Sequence[DraftedLine],
    folder: Path,
    *,
    steps: int,
    minutes: float | None = None,
    batch_size: int = 16,
    on_step: Callable[[], None] = lambda: None,
    on_evaluation: Callable[[Acceptance], None] = lambda acceptance: None,
) -> Acceptance:
    """Train a head, and keep the best in ``folder``; an interruption ends the training early.

    Args:
        reader: with a published encoder.
        lines: from `lines_of`; every tenth is held out.
        steps: of ``batch_size`` lines.
        minutes: of wall time, after which the training ends even if steps are left.

    Raises:
        UsageError: the encoder has no grid of patches.
        DataError: too few lines.
        KeyboardInterrupt: before the first head was kept.
    """
    held_out = lines[::HELD_OUT]
    rest = [line for place, line in enumerate(lines) if place % HELD_OUT]
    if not rest:
        raise DataError(f"The model reads only {len(lines)} of the lines.", "Give it some hundred.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = DraftHead(_config(reader, rest)).to(reader.device)
    optimizer = torch.optim.AdamW(head.parameters(), LEARNING_RATE, betas=(0.9, 0.98))
    best: Acceptance | None = None
    started = time.monotonic()
    evaluated = 0.0
    try:
        for step, batch in zip(range(1, steps + 1), _batches(rest, batch_size), strict=False):
            spent = 0.0 if minutes is None else (time.monotonic() - started) / (60 * minutes)
            progress = max(step / steps, spent)
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * _schedule(progress)
            loss = _train_step(reader, head, optimizer, batch)
            on_step()
            if progress < 1 and progress - evaluated < 1 / EVALUATIONS:
                continue
            evaluated = progress
            found = _acceptance(reader, head, held_out, batch_size, loss=loss, step=step)
            on_evaluation(found)
            if best is None or (found.accepted, found.tokens) > (best.accepted, best.tokens):
                best = found
                head.save(folder, asdict(found))
            if progress >= 1:
                break
    except KeyboardInterrupt:
        if best is None:
            raise
    assert best is not None  # the last step is evaluated
    return best


def _config(reader: Recognizer, lines: Sequence[DraftedLine]) -> DraftHeadConfig:
    encoder = reader.model.encoder
    if reader.has_ctc_head:
        raise UsageError(f"{reader.name} drafts with its own CTC head.", "It needs no other.")
    assert isinstance(encoder, ViTModel)
    rows, columns = encoder.grid(*encoder.image_size)
    return DraftHeadConfig(
        characters="".join(sorted({character for line in lines for character in line.text})),
        encoder_width=encoder.config.hidden_size,
        rows=rows,
        columns=columns,
    )


def _batches(lines: Sequence[DraftedLine], batch_size: int) -> Iterator[list[DraftedLine]]:
    """Shuffled anew in every round, without end."""
    generator = torch.Generator().manual_seed(0)
    while True:
        order = torch.randperm(len(lines), generator=generator).tolist()
        for start in range(0, len(order), batch_size):
            yield [lines[place] for place in order[start : start + batch_size]]


def _schedule(progress: float) -> float:
    """Linear warm-up, then half a cosine to zero; a share of the highest learning rate."""
    if progress < WARM_UP:
        return progress / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


@torch.no_grad()
def _encoded(reader: Recognizer, lines: Sequence[DraftedLine]) -> EncoderOutput:
    pictures = [load_image(line.image) for line in lines]
    inputs = reader.processor.image_processor(pictures, return_tensors="pt")
    return reader.model.encode(**inputs.to(reader.device, reader.dtype))


def _train_step(
    reader: Recognizer,
    head: DraftHead,
    optimizer: torch.optim.Optimizer,
    batch: Sequence[DraftedLine],
) -> float:
    states = _encoded(reader, batch).last_hidden_state
    logits = head.train()(states.float())
    classes = {character: 1 + place for place, character in enumerate(head.config.characters)}
    targets = [[classes[character] for character in line.text] for line in batch]
    loss = F.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1),
        torch.tensor([label for target in targets for label in target], device=logits.device),
        torch.full((len(batch),), logits.shape[1]),
        torch.tensor(list(map(len, targets))),
        blank=BLANK,
        zero_infinity=True,  # texts that the frames cannot hold
    )
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
    optimizer.step()
    return loss.item()


@torch.no_grad()
def _acceptance(
    reader: Recognizer,
    head: DraftHead,
    lines: Sequence[DraftedLine],
    batch_size: int,
    *,
    loss: float,
    step: int,
) -> Acceptance:
    head.eval()
    tokenizer = reader.processor.tokenizer
    drafter = TextDrafter(
        lambda _, encoded: head.texts(encoded.last_hidden_state.float()), reader.model, tokenizer
    )
    accepted = agreed = tokens = 0
    for start in range(0, len(lines), batch_size):
        batch = lines[start : start + batch_size]
        drafts = drafter([], _encoded(reader, batch))
        for draft, line in zip(drafts, batch, strict=True):
            accepted += tuple(draft) == line.token_ids
            agreed += _common(draft, line.token_ids)
            tokens += len(line.token_ids)
    return Acceptance(len(lines), accepted / len(lines), agreed / max(1, tokens), loss, step)


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """Length of what two sequences begin with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(first), len(second)))
