"""What a fine-tuning run was asked for, and sensible answers where nothing was said."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from ...errors import UsageError
from ..config import OptimizationSection, read_toml, section_of
from .vocabulary import How

FILE = "finetuning.toml"
Method = Literal["full", "lora", "decoder"]


@dataclass(frozen=True)
class FinetuningSettings:
    """One run, ``finetuning.toml`` in its folder.

    Attributes:
        model: where it starts: a bundled model, a folder, or a hub id.
        data: the sets that it learns from.
        tokenizer: see ``with_vocabulary``.
        method: what learns: every weight, low-rank additions to the matrices (LoRA), or the
            decoder and the heads alone.
        gradient_checkpointing: less memory, more time.
        new_tokens: by how many the vocabulary has grown.
    """

    model: str
    data: tuple[str, ...]
    optimization: OptimizationSection
    tokenizer: How = "extend"
    method: Method = "full"
    gradient_checkpointing: bool = False
    new_tokens: int = 0

    def to_toml(self) -> str:
        """As ``read_settings`` reads it."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "optimization"}
        rows = [*_rows(own), "", "[optimization]", *_rows(asdict(self.optimization))]
        return "\n".join(rows) + "\n"


def _rows(values: dict[str, Any]) -> list[str]:
    # JSON of text, numbers, truth values and flat lists is TOML.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]


def read_settings(run: Path) -> FinetuningSettings:
    """The settings of a run that was begun.

    Raises:
        UsageError: they were changed into something that is none.
    """
    path = run / FILE
    values, _ = read_toml(path)
    optimization = section_of(
        OptimizationSection, values.pop("optimization", {}), "optimization", path
    )
    try:
        return FinetuningSettings(
            **{**values, "data": tuple(values["data"])}, optimization=optimization
        )
    except (TypeError, LookupError):
        raise UsageError(f"{path} is damaged.", "Begin a new run in another folder.") from None


@dataclass(frozen=True)
class Defaults:
    """What a kind of model learns well with."""

    learning_rate: float
    steps_for_50_lines: int
    tokens_per_batch: int
    gradient_accumulation: int
    weight_decay: float
    ctc_weight: float
    label_smoothing: float
    decoder_token_noise: float


LINE_MODEL = Defaults(3e-4, 150, 1280, 1, 0.02, 0.5, 0.1, 0.3)
# A picture of a published model fills 48 of the tokens that a batch is counted in.
PUBLISHED_MODEL = Defaults(5e-5, 150, 8 * 48, 1, 0.01, 0.0, 0.0, 0.0)
MAX_STEPS = 20_000
VALIDATIONS = 12  # of a run
PATIENCE = 6  # of them: the last steps, at small learning rates, are the ones that gain most
LEAST_TO_CHOOSE = 10  # validation lines; fewer cannot tell one step from another


def default_optimization(
    lines: int, validation: int, *, line_model: bool, method: Method, **chosen: Any
) -> OptimizationSection:
    """Steps grow with the square root of the number of lines: 50 are seen some 40 times, 20,000
    some twice, if validation does not end the run before.

    Args:
        lines: to train on.
        validation: lines to validate on; with very few the last step counts, not the best.
        chosen: what was decided otherwise.
    """
    known = LINE_MODEL if line_model else PUBLISHED_MODEL
    steps = min(MAX_STEPS, round(known.steps_for_50_lines * max(1.0, lines / 50) ** 0.5))
    steps = chosen.pop("max_steps", steps)
    values: dict[str, Any] = {
        "max_steps": steps,
        "tokens_per_batch": known.tokens_per_batch,
        "gradient_accumulation": known.gradient_accumulation,
        # Only the small matrices of LoRA learn, which takes larger steps (arXiv 2106.09685).
        "learning_rate": known.learning_rate * (5 if method == "lora" else 1),
        "warmup_steps": max(1, min(200, steps // 10)),
        "weight_decay": known.weight_decay,
        "ctc_weight": known.ctc_weight,
        "label_smoothing": known.label_smoothing,
        "decoder_token_noise": known.decoder_token_noise,
        "ema_decay": 0.98 if steps < 1000 else 0.99,
        "validate_every": max(10, steps // VALIDATIONS),
        "patience": PATIENCE if validation >= LEAST_TO_CHOOSE else 0,
        "fixed_norms": True,
    }
    return OptimizationSection(**(values | chosen))
