"""The training loop: resumable to the bit, averaged weights, a model folder at the end."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..errors import CheckpointError
from ..labelled_lines import write_labelled_lines
from .config import TrainingConfig
from .data import Batch, MixedLines, lane_batches, plain_batches
from .interruption import Interruption
from .loss import JointLoss
from .plan import TrainingPlan, configured_plan
from .precision import Precision, denormals_flushed
from .preparation import preparation_for
from .replicas import Replicas
from .report import Meter, Report
from .schedule import Optimizer, learning_rate
from .sources import ValidationSets
from .validation import validate
from .worst_lines import write_worst_lines

CHECKPOINT = "checkpoint.pt"
LOG_EVERY = 50
CHECKPOINT_EVERY = 250
WATCHED_LINES = 300  # of a validation set, while the run goes on
LAST_CHUNK = 2**40


class Trainer:
    """One run: a plan, a folder, and the state that a checkpoint holds.

    A lane is a stream of batches: ``gradient_accumulation`` lanes a process. Every step takes one
    batch of each lane and averages their gradients. What a lane sees and draws depends on the
    seed, the step and its number alone, so that one process with two lanes learns what two
    processes with one lane each learn.

    Args:
        plan: what to train.
        run: folder for ``checkpoint.pt``, ``log.jsonl``, ``validation/``, ``worst/`` and
            ``model/``; a run that was stopped goes on from its checkpoint.
        replicas: the processes that share every step.
        workers: processes that prepare the batches of a lane ahead; 0 prepares each when it is
            needed.
        minutes: the run ends after this time even if it is before ``max_steps``; the learning
            rate falls accordingly. Such a run cannot be repeated to the bit.

    A CUDA device is used where there is one; on a CPU a resumed run is equal to the bit.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        run: Path,
        replicas: Replicas | None = None,
        workers: int = 0,
        minutes: float | None = None,
    ) -> None:
        self.started = time.monotonic()
        self.plan, self.run_folder = plan, run
        self.replicas = replicas or Replicas()
        self.workers = workers
        self.seconds_allowed = None if minutes is None else 60 * minutes
        self.section = plan.optimization
        self.tokenizer = plan.processor.tokenizer
        self.preparation = preparation_for(plan.processor.image_processor)
        self.model = plan.model.to(self.replicas.device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimizer = Optimizer(self.model, self.section)
        self.precision = Precision(self.replicas.device, self.section.bfloat16)
        self.joint_loss = JointLoss(self.tokenizer, self.section, self.precision)
        self.step = 0
        self.seconds_before = self.seconds = 0.0  # of earlier tries, and with this one
        self.interrupted = False
        self.watched: dict[str, list[Batch]] = {}  # of each validation set, prepared once
        self.best_cer, self.validations_since_best = float("inf"), 0
        lanes = self.section.gradient_accumulation
        self.first_lane = self.replicas.rank * lanes
        self.all_lanes = self.replicas.size * lanes
        # Next chunk and batch of every lane of this process.
        self.position = [(self.first_lane + lane, 0) for lane in range(lanes)]

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files."""
        return self.replicas.rank == 0

    @property
    def total_steps(self) -> int:
        """How many steps the run will have had at its end, by its pace so far."""
        steps = self.section.max_steps
        if self.seconds_allowed is None or not self.step:
            return steps
        return min(steps, round(self.step * self.seconds_allowed / self.seconds))

    @property
    def stopped_early(self) -> bool:
        """Whether ``patience`` is at its end."""
        return 0 < self.section.patience <= self.validations_since_best

    def train(self) -> None:
        """Train to the end and write the finished model to ``run/model``.

        Raises:
            KeyboardInterrupt: after a checkpoint, if the process was asked to stop.
        """
        self.run_folder.mkdir(parents=True, exist_ok=True)
        sources, validation = self.plan.read_sources()
        if self.leads:
            for name, (held_out, _) in validation.items():
                folder = self.run_folder / "validation" / name
                if not folder.exists():
                    write_labelled_lines(held_out, folder)
        self._resume()
        lines = MixedLines(
            sources,
            self.tokenizer,
            self.preparation,
            tokens_per_batch=self.section.tokens_per_batch,
            lines_per_chunk=self.plan.lines_per_chunk,
            curriculum_lines=self.plan.curriculum_lines,
            seed=self.section.seed,
        )
        with Report(self.run_folder, self.step, silent=not self.leads) as report:
            self._steps(lines, validation, report)
        if self.leads and not self.section.patience:
            self.save_model()

    def _steps(self, lines: MixedLines, validation: ValidationSets, report: Report) -> None:
        first_step = self.step
        lanes = [self._lane(lines, *position) for position in self.position]
        meter = Meter(self.replicas)
        with denormals_flushed(), Interruption() as interruption:
            if self.step == 0 and self.plan.begins_trained:
                self._validate(validation, report)
            while self._goes_on(interruption):
                with meter:
                    batches = [self._next_batch(i, lane) for i, lane in enumerate(lanes)]
                    meter.add(*self._train_step(batches), sum(len(b.token_ids) for b in batches))
                self.step += 1
                report.at(self.step, self.total_steps)
                if self.step % LOG_EVERY == 0:
                    report.losses(self.step, meter.read())
                if self.step % self.section.validate_every == 0:
                    self._validate(validation, report)
                if self.step % CHECKPOINT_EVERY == 0:
                    self._save_checkpoint()
            if self.step == first_step:
                return
            if self.step % LOG_EVERY:
                report.losses(self.step, meter.read())
            if self.step % self.section.validate_every and not self.interrupted:
                self._validate(validation, report)
            self._save_checkpoint()
        if self.interrupted:
            report.say(f"Stopped at step {self.step}; the same command goes on from there.")
            raise KeyboardInterrupt

    def _goes_on(self, interruption: Interruption) -> bool:
        """Whether there is another step; every process comes to the same answer."""
        seconds = self.seconds_before + time.monotonic() - self.started
        own = torch.tensor([interruption.asked, seconds, self.validations_since_best])
        asked, self.seconds, since_best = self.replicas.gather(own.double()).amax(0).tolist()
        self.interrupted, self.validations_since_best = bool(asked), int(since_best)
        in_time = self.seconds_allowed is None or self.seconds < self.seconds_allowed
        more = self.step < self.section.max_steps and in_time and not self.stopped_early
        return more and not self.interrupted

    def _lane(self, lines: MixedLines, chunk: int, batch: int) -> Iterator[tuple[int, int, Batch]]:
        chunks = range(chunk, LAST_CHUNK, self.all_lanes)
        return lane_batches(lines, chunks, batch, self.workers)

    def _next_batch(self, lane: int, batches: Iterator[tuple[int, int, Batch]]) -> Batch:
        chunk, number, batch = next(batches)
        self.position[lane] = (chunk, number + 1)
        return batch

    def _train_step(self, batches: list[Batch]) -> tuple[float, float, float, float]:
        """One optimizer step.

        Returns:
            mean CTC and decoder loss of its batches, norm of the gradients, learning rate.
        """
        section = self.section
        rate = learning_rate(self.step, self.total_steps, section)
        self.model.train()
        if self.section.fixed_norms:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        self.optimizer.zero_grad()
        losses = np.zeros(2)
        for lane, batch in enumerate(batches, self.first_lane):
            torch.manual_seed(lane_seed(section.seed, self.step, lane))
            ctc, decoder = self.joint_loss(self.model, batch)
            loss = section.ctc_weight * ctc + (1 - section.ctc_weight) * decoder
            with self.precision.attention():
                (loss / len(batches)).backward()  # type: ignore[no-untyped-call]
            losses += ctc.item(), decoder.item()
        self.replicas.average_gradients(self.model)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), section.max_grad_norm)
        self.optimizer.step(rate)
        self._update_average()
        ctc_loss, decoder_loss = losses / len(batches)
        return float(ctc_loss), float(decoder_loss), norm.item(), rate

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

    def _validate(self, validation: ValidationSets, report: Report) -> None:
        """Score and keep the averaged weights; only the leading process does."""
        if not self.leads:
            return
        errors = []
        for name, (lines, case_blind) in validation.items():
            if name not in self.watched:
                some = lines[:: -(-len(lines) // WATCHED_LINES)]
                batches = plain_batches(some, self.tokenizer, self.preparation, case_blind)
                self.watched[name] = list(batches)
            with self.precision.autocast():
                scores, readings = validate(self.average, self.watched[name], self.tokenizer)
            report.scores(self.step, name, scores)
            write_worst_lines(readings, self.run_folder / "worst" / f"{name}.html")
            errors.append(scores["cer"])
        cer = sum(errors) / max(1, len(errors))
        self.validations_since_best = 0 if cer < self.best_cer else self.validations_since_best + 1
        if cer < self.best_cer or not self.section.patience or not errors:
            self.save_model()
        self.best_cer = min(self.best_cer, cer)

    def _save_checkpoint(self) -> None:
        positions = self.replicas.gather(torch.tensor(self.position))
        if not self.leads:
            return
        state = {
            "config": self.plan.source,
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "positions": positions.flatten(0, 1).tolist(),
            "step": self.step,
            "seconds": self.seconds,
            "validations": (self.best_cer, self.validations_since_best),
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
            positions = [(chunk, batch) for chunk, batch in state["positions"]]
            self.step, self.seconds_before = state["step"], state["seconds"]
            self.best_cer, self.validations_since_best = state["validations"]
        except (RuntimeError, LookupError, TypeError, ValueError, EOFError) as error:
            raise CheckpointError(
                f"Cannot resume from {path}: {str(error).splitlines()[0]}",
                "It belongs to another configuration or is damaged: choose another run folder.",
            ) from None
        if len(positions) != self.all_lanes:
            raise CheckpointError(
                f"{path} has {len(positions)} batches a step, this run {self.all_lanes}.",
                "Give the number of processes that it was begun with.",
            )
        self.position = positions[self.first_lane :][: len(self.position)]

    def save_model(self) -> None:
        """Write the averaged weights, the processor and the configuration they came from."""
        folder = self.run_folder / "model"
        self.plan.finished(self.average).save_pretrained(folder)
        self.plan.processor.save_pretrained(folder)
        (folder / "training.toml").write_text(self.plan.source, encoding="utf-8")


def train(
    replicas: Replicas,
    config: TrainingConfig,
    run: Path,
    workers: int = 0,
    minutes: float | None = None,
) -> None:
    """One process of ``trocr train``."""
    Trainer(configured_plan(config), run, replicas, workers, minutes).train()


def lane_seed(seed: int, step: int, lane: int) -> int:
    """What the random numbers of one lane in one step come from."""
    (state,) = np.random.SeedSequence((seed, step, lane)).generate_state(1, np.uint64)
    return int(state)
