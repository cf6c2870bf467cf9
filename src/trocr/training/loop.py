"""The training loop: resumable to the bit, averaged weights, a model folder at the end."""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from ..config import LineEncoderConfig, TrOCRConfig, VisionEncoderDecoderConfig
from ..ctc import ctc_greedy_ids
from ..errors import CheckpointError
from ..labelled_lines import write_labelled_lines
from ..line_image import LineImageProcessor
from ..model import VisionEncoderDecoderModel
from ..outputs import EncoderOutput
from ..processor import TrOCRProcessor
from ..tokenizer import Tokenizer
from .case import CaseFolding
from .config import OptimizationSection, TrainingConfig
from .data import Batch, MixedLines, lane_batches, plain_batches
from .loss import (
    ctc_loss,
    decoder_ids,
    decoder_logits,
    decoder_loss,
    encode,
    with_token_noise,
)
from .precision import Precision
from .replicas import Replicas
from .sources import ValidationSets, read_sources
from .start import start_from
from .validation import validate

CHECKPOINT = "checkpoint.pt"
LOG_EVERY = 50
VALIDATE_EVERY = 1000
CHECKPOINT_EVERY = 250
WATCHED_LINES = 300  # of a validation set, while the run goes on
LAST_CHUNK = 2**40


def build_model(config: TrainingConfig, tokenizer: Tokenizer) -> VisionEncoderDecoderModel:
    """A freshly initialised line model for the vocabulary of ``tokenizer``."""
    encoder_config = LineEncoderConfig(
        ctc_vocab_size=len(tokenizer),
        ctc_blank_token_id=tokenizer.pad_token_id,
        **config.model.encoder,
    )
    decoder_config = TrOCRConfig(
        vocab_size=len(tokenizer),
        decoder_start_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        cross_attention_hidden_size=encoder_config.hidden_size,
        **config.model.decoder,
    )
    ids = {k: getattr(decoder_config, k) for k in ("decoder_start_token_id", "pad_token_id")}
    return VisionEncoderDecoderModel(
        VisionEncoderDecoderConfig.from_encoder_decoder_configs(
            encoder_config, decoder_config, **ids
        )
    )


def learning_rate(step: int, section: OptimizationSection) -> float:
    """Linear warm-up, then half a cosine to zero at ``max_steps`` (arXiv 1608.03983)."""
    if step < section.warmup_steps:
        return section.learning_rate * (step + 1) / section.warmup_steps
    progress = (step - section.warmup_steps) / max(1, section.max_steps - section.warmup_steps)
    return section.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


class Trainer:
    """One run: a configuration, a folder, and the state that a checkpoint holds.

    A lane is a stream of batches: ``gradient_accumulation`` lanes a process. Every step takes one
    batch of each lane and averages their gradients, so that one process with two lanes learns
    what two processes with one lane each learn.

    Args:
        config: what to train.
        run: folder for ``checkpoint.pt``, ``log.jsonl``, ``validation/`` and ``model/``; a run
            that was stopped goes on from its checkpoint.
        replicas: the processes that share every step.
        workers: processes that prepare batches ahead; 0 prepares each when it is needed.

    A CUDA device is used where there is one; on a CPU a resumed run is equal to the bit.
    """

    def __init__(
        self,
        config: TrainingConfig,
        run: Path,
        replicas: Replicas | None = None,
        workers: int = 0,
    ) -> None:
        self.config, self.run_folder = config, run
        self.replicas = replicas or Replicas()
        self.workers = workers
        self.device = self.replicas.device
        self.section = config.optimization
        self.tokenizer = Tokenizer.from_characters(config.model.characters)
        self.folding = CaseFolding(self.tokenizer)
        torch.manual_seed(self.section.seed)
        torch.set_flush_denormal(True)
        self.model = build_model(config, self.tokenizer).to(self.device)
        if config.model.start_from:
            start_from(self.model, self.tokenizer, config)
        encoder = self.model.config.encoder
        self.image_processor = LineImageProcessor(
            encoder.image_height, encoder.max_image_width, config.model.straighten
        )
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = _optimizer(self.model, self.section)
        self.precision = Precision(self.device, self.section.bfloat16)
        self.step = 0
        # Next chunk and batch of every lane of this process.
        lanes = self.section.gradient_accumulation
        self.position = [(self.replicas.rank * lanes + lane, 0) for lane in range(lanes)]
        torch.manual_seed(self.section.seed + self.replicas.rank)

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files."""
        return self.replicas.rank == 0

    def train(self) -> None:
        """Train to ``max_steps`` and write the finished model to ``run/model``."""
        self.run_folder.mkdir(parents=True, exist_ok=True)
        sources, validation = read_sources(self.config)
        if self.leads:
            for name, (lines, _) in validation.items():
                folder = self.run_folder / "validation" / name
                if not folder.exists():
                    write_labelled_lines(lines, folder)
        self._resume()
        encoder: LineEncoderConfig = self.model.config.encoder
        lines = MixedLines(
            sources,
            self.tokenizer,
            height=encoder.image_height,
            max_width=encoder.max_image_width,
            tokens_per_batch=self.section.tokens_per_batch,
            lines_per_chunk=self.config.data.lines_per_chunk,
            curriculum_lines=self.config.data.curriculum_lines,
            straighten=self.config.model.straighten,
            seed=self.section.seed,
        )
        self._steps(lines, validation)
        if self.leads:
            self.save_model()

    def _steps(self, lines: MixedLines, validation: ValidationSets) -> None:
        losses: list[tuple[float, float]] = []
        console = Console(stderr=True)
        lanes = [self._lane(lines, *position) for position in self.position]
        with Progress(
            console=console, disable=not (self.leads and console.is_terminal)
        ) as progress:
            task = progress.add_task("training", total=self.section.max_steps)
            while self.step < self.section.max_steps:
                progress.update(task, completed=self.step)
                losses.append(
                    self._train_step([self._next_batch(i, lanes[i]) for i in range(len(lanes))])
                )
                self.step += 1
                if self.step % LOG_EVERY == 0:
                    ctc, decoder = (sum(part) / len(losses) for part in zip(*losses, strict=True))
                    self._log({"ctc_loss": ctc, "decoder_loss": decoder})
                    losses.clear()
                finished = self.step == self.section.max_steps
                if finished or self.step % CHECKPOINT_EVERY == 0:
                    self._save_checkpoint()
                if self.leads and (finished or self.step % VALIDATE_EVERY == 0):
                    self._validate(validation)

    def _lane(self, lines: MixedLines, chunk: int, batch: int) -> Iterator[tuple[int, int, Batch]]:
        stride = self.replicas.size * self.section.gradient_accumulation
        return lane_batches(lines, range(chunk, LAST_CHUNK, stride), batch, self.workers)

    def _next_batch(self, lane: int, batches: Iterator[tuple[int, int, Batch]]) -> Batch:
        chunk, number, batch = next(batches)
        self.position[lane] = (chunk, number + 1)
        return batch

    def _train_step(self, batches: list[Batch]) -> tuple[float, float]:
        """One optimizer step; the mean CTC and decoder loss of its batches."""
        section = self.section
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, section)
        self.optimizer.zero_grad(set_to_none=True)
        sums = np.zeros(2)
        for batch in batches:
            ctc, decoder = self._losses(batch)
            loss = section.ctc_weight * ctc + (1 - section.ctc_weight) * decoder
            (loss / len(batches)).backward()  # type: ignore[no-untyped-call]
            sums += ctc.item(), decoder.item()
        self.replicas.average_gradients(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), section.max_grad_norm)
        self.optimizer.step()
        self._update_average()
        mean_ctc, mean_decoder = sums / len(batches)
        return float(mean_ctc), float(mean_decoder)

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """CTC loss and cross-entropy of a batch."""
        section, config = self.section, self.model.config
        blank = config.encoder.ctc_blank_token_id
        blind = torch.from_numpy(batch.case_blind)
        with self.precision.autocast():
            encoded = encode(self.model, batch)
        ctc = ctc_loss(
            encoded.ctc_logits, encoded.attention_mask, batch.token_ids, blank, blind, self.folding
        )
        inputs, labels = decoder_ids(self._recased(batch, encoded), config.decoder)
        first_id, vocab_size = self.tokenizer.unk_token_id + 1, config.decoder.vocab_size
        inputs = with_token_noise(inputs, section.decoder_token_noise, first_id, vocab_size)
        with self.precision.autocast():
            logits = decoder_logits(self.model, encoded, inputs.to(self.device))
        decoder = decoder_loss(
            logits,
            labels.to(self.device),
            blind.to(self.device),
            self.folding,
            section.label_smoothing,
        )
        return ctc, decoder

    def _recased(self, batch: Batch, encoded: EncoderOutput) -> list[list[int]]:
        """The labels; those that lost their case take it from what the CTC head reads."""
        if not batch.case_blind.any():
            return batch.token_ids
        assert encoded.ctc_logits is not None
        assert encoded.attention_mask is not None
        blank = self.model.config.encoder.ctc_blank_token_id
        read = ctc_greedy_ids(encoded.ctc_logits.detach(), encoded.attention_mask, blank)
        return [
            self.folding.recased(label, ids) if blind else label
            for label, ids, blind in zip(batch.token_ids, read, batch.case_blind, strict=True)
        ]

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.section.ema_decay, (1 + self.step) / (10 + self.step))
        for averaged, current in zip(
            self.average.state_dict().values(), self.model.state_dict().values(), strict=True
        ):
            if averaged.is_floating_point():
                averaged.lerp_(current, 1 - decay)
            else:
                averaged.copy_(current)

    def _validate(self, validation: ValidationSets) -> None:
        for name, (lines, case_blind) in validation.items():
            watched = lines[:: -(-len(lines) // WATCHED_LINES)]
            batches = plain_batches(watched, self.tokenizer, self.image_processor, case_blind)
            with self.precision.autocast():
                scores = validate(self.average, batches, self.tokenizer)
            self._log({"set": name, **scores})

    def _log(self, values: dict[str, Any]) -> None:
        if not self.leads:
            return
        entry = {"step": self.step, "time": round(time.time()), **values}
        with (self.run_folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def _save_checkpoint(self) -> None:
        random = self.replicas.gather(torch.get_rng_state())
        positions = self.replicas.gather(torch.tensor(self.position))
        if not self.leads:
            return
        state = {
            "config": self.config.source,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": random,
            "progress": (self.step, positions),
        }
        temporary = self.run_folder / (CHECKPOINT + ".tmp")
        torch.save(state, temporary)
        os.replace(temporary, self.run_folder / CHECKPOINT)

    def _resume(self) -> None:
        path = self.run_folder / CHECKPOINT
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, KeyError, ValueError, EOFError) as error:
            raise CheckpointError(
                f"Cannot resume from {path}: {str(error).splitlines()[0]}",
                "It belongs to another configuration or is damaged: choose another run folder.",
            ) from None
        torch.set_rng_state(state["random"][self.replicas.rank])
        self.step, positions = state["progress"]
        self.position = [(chunk, batch) for chunk, batch in positions[self.replicas.rank].tolist()]

    def save_model(self) -> None:
        """Write the averaged weights, the processor and the configuration they came from."""
        folder = self.run_folder / "model"
        self.average.cpu().save_pretrained(folder)
        TrOCRProcessor(self.image_processor, self.tokenizer).save_pretrained(folder)
        (folder / "training.toml").write_text(self.config.source, encoding="utf-8")


def train(replicas: Replicas, config: TrainingConfig, run: Path, workers: int = 0) -> None:
    """One process of ``trocr train``."""
    Trainer(config, run, replicas, workers).train()


def _optimizer(model: nn.Module, section: OptimizationSection) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101); biases and norms do not decay."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": section.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, section.learning_rate, betas=(0.9, 0.98), fused=True)
