"""The training loop: resumable to the bit, averaged weights, a model folder at the end."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import LineEncoderConfig, TrOCRConfig, VisionEncoderDecoderConfig
from ..errors import CheckpointError
from ..labelled_lines import LabelledLine, write_labelled_lines
from ..line_image import LineImageProcessor
from ..model import VisionEncoderDecoderModel
from ..processor import TrOCRProcessor
from ..tokenizer import Tokenizer
from .config import OptimizationSection, TrainingConfig
from .data import Batch, LineBatches, TrainingLine, decode_line, plain_batches, read_split
from .loss import IGNORED, ctc_loss, decoder_ids, decoder_logits, encode, with_token_noise
from .replicas import Replicas
from .validation import validate

CHECKPOINT = "checkpoint.pt"
LOG_EVERY = 50
VALIDATE_EVERY = 1000
CHECKPOINT_EVERY = 250


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
    """Linear warm-up, plateau, linear cool-down to zero at ``max_steps``."""
    warmup = min(1.0, (step + 1) / section.warmup_steps)
    cooldown_steps = section.cooldown_fraction * section.max_steps
    cooldown = min(1.0, (section.max_steps - step) / max(cooldown_steps, 1.0))
    return section.learning_rate * min(warmup, cooldown)


class Trainer:
    """One run: a configuration, a folder, and the state that a checkpoint holds.

    Args:
        config: what to train.
        run: folder for ``checkpoint.pt``, ``log.jsonl``, ``validation/`` and ``model/``; a run
            that was stopped goes on from its checkpoint.
        replicas: the processes that share every step; each takes its own batch.
        workers: processes that prepare batches ahead; 0 prepares each when it is needed.

    A CUDA device is used where there is one, with bfloat16 autocast; on a CPU a resumed run is
    equal to the bit.
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
        torch.manual_seed(self.section.seed)
        torch.set_flush_denormal(True)
        self.model = build_model(config, self.tokenizer).to(self.device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = _optimizer(self.model, self.section)
        self.step = 0
        self.epoch = 0
        self.next_batch = 0
        torch.manual_seed(self.section.seed + self.replicas.rank)

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files."""
        return self.replicas.rank == 0

    def train(self) -> None:
        """Train to ``max_steps`` and write the finished model to ``run/model``."""
        train, validation = read_split(self.config)
        self.run_folder.mkdir(parents=True, exist_ok=True)
        if self.leads and not (self.run_folder / "validation").exists():
            write_labelled_lines(validation, self.run_folder / "validation")
        self._resume()
        encoder: LineEncoderConfig = self.model.config.encoder
        batches = LineBatches(
            self._decoded(train),
            height=encoder.image_height,
            max_width=encoder.max_image_width,
            tokens_per_batch=self.section.tokens_per_batch,
            blank_share=self.config.data.blank_share,
            seed=self.section.seed,
        )
        self._steps(batches, self._decoded(validation))
        if self.leads:
            self.save_model()

    def _steps(self, batches: LineBatches, validation: list[TrainingLine]) -> None:
        losses: list[tuple[float, float]] = []
        console = Console(stderr=True)
        with Progress(
            console=console, disable=not (self.leads and console.is_terminal)
        ) as progress:
            task = progress.add_task("training", total=self.section.max_steps)
            for batch in self._remaining_batches(batches):
                progress.update(task, completed=self.step)
                losses.append(self._train_step(batch))
                self.step += 1
                if self.step % LOG_EVERY == 0:
                    ctc, decoder = (sum(part) / len(losses) for part in zip(*losses, strict=True))
                    self._log({"ctc_loss": ctc, "decoder_loss": decoder})
                    losses.clear()
                finished = self.step == self.section.max_steps
                if finished or self.step % CHECKPOINT_EVERY == 0:
                    self._save_checkpoint()
                if self.leads and (finished or self.step % VALIDATE_EVERY == 0):
                    self._log(self._validate(validation))

    def _remaining_batches(self, batches: LineBatches) -> Iterator[Batch]:
        while True:
            plan = batches.plan(self.epoch)
            shared = len(plan) // self.replicas.size * self.replicas.size
            own = plan[self.next_batch + self.replicas.rank : shared : self.replicas.size]
            for batch in batches.load(self.epoch, own, self.workers):
                if self.step >= self.section.max_steps:
                    return
                self.next_batch += self.replicas.size
                yield batch
            self.epoch, self.next_batch = self.epoch + 1, 0

    def _train_step(self, batch: Batch) -> tuple[float, float]:
        section = self.section
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, section)
        ctc, decoder = self._losses(batch)
        loss = section.ctc_weight * ctc + (1 - section.ctc_weight) * decoder
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.replicas.average_gradients(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), section.max_grad_norm)
        self.optimizer.step()
        self._update_average()
        return ctc.item(), decoder.item()

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """CTC loss and cross-entropy of a batch."""
        section, config = self.section, self.model.config
        inputs, labels = decoder_ids(batch.token_ids, config.decoder)
        first_id, vocab_size = self.tokenizer.unk_token_id + 1, config.decoder.vocab_size
        inputs = with_token_noise(inputs, section.decoder_token_noise, first_id, vocab_size)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            encoded = encode(self.model, batch)
            logits = decoder_logits(self.model, encoded, inputs.to(self.device))
        ctc = ctc_loss(
            encoded.ctc_logits,
            encoded.attention_mask,
            batch.token_ids,
            config.encoder.ctc_blank_token_id,
        )
        decoder = F.cross_entropy(
            logits.flatten(0, 1).float(),
            labels.flatten().to(self.device),
            ignore_index=IGNORED,
            label_smoothing=section.label_smoothing,
        )
        return ctc, decoder

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

    def _validate(self, lines: list[TrainingLine]) -> dict[str, float]:
        encoder = self.model.config.encoder
        batches = plain_batches(lines, encoder.image_height, encoder.max_image_width)
        return validate(self.average, batches, self.tokenizer)

    def _decoded(self, lines: list[LabelledLine]) -> list[TrainingLine]:
        encoded = (self.tokenizer.encode(line.text, add_special_tokens=False) for line in lines)
        decoded = [decode_line(line, ids) for line, ids in zip(lines, encoded, strict=True)]
        return [line for line in decoded if line.token_ids]

    def _log(self, values: dict[str, float]) -> None:
        if not self.leads:
            return
        entry = {"step": self.step, "epoch": self.epoch, "time": round(time.time()), **values}
        with (self.run_folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(entry) + "\n")

    def _save_checkpoint(self) -> None:
        random = self.replicas.gather(torch.get_rng_state())
        if not self.leads:
            return
        state = {
            "config": self.config.source,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": random,
            "progress": (self.step, self.epoch, self.next_batch),
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
        self.step, self.epoch, self.next_batch = state["progress"]

    def save_model(self) -> None:
        """Write the averaged weights, the processor and the configuration they came from."""
        folder = self.run_folder / "model"
        encoder = self.model.config.encoder
        image_processor = LineImageProcessor(encoder.image_height, encoder.max_image_width)
        self.average.cpu().save_pretrained(folder)
        TrOCRProcessor(image_processor, self.tokenizer).save_pretrained(folder)
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
