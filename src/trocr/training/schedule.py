"""The optimizer and its learning rate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from ..errors import UsageError
from .config import OptimizationSection


class Optimizer:
    """AdamW (arXiv 1711.05101), or Muon for the matrices inside the Transformer layers.

    Muon steps along the nearest orthogonal matrix to the momentum, scaled so that learning rate
    and weight decay are those of AdamW (arXiv 2502.16982); embeddings, heads, convolutions, biases
    and norms stay with AdamW. Biases and norms do not decay.

    Raises:
        UsageError: Muon is asked for and this torch has none.
    """

    def __init__(self, model: nn.Module, section: OptimizationSection) -> None:
        named = dict(model.named_parameters())
        hidden = [p for name, p in named.items() if section.muon and _is_hidden(name, p)]
        others = [p for p in named.values() if not any(p is one for one in hidden)]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in others if p.dim() > 1], "weight_decay": section.weight_decay},
            {"params": [p for p in others if p.dim() <= 1], "weight_decay": 0.0},
        ]
        rate, decay = section.learning_rate, section.weight_decay
        adamw = torch.optim.AdamW(groups, rate, betas=(0.9, 0.98), fused=True)
        self.parts: list[torch.optim.Optimizer] = [adamw]
        if section.muon:
            if not hasattr(torch.optim, "Muon"):
                raise UsageError("This torch has no Muon.", "Install torch 2.9 or newer.")
            self.parts.append(torch.optim.Muon(hidden, rate, decay, adjust_lr_fn="match_rms_adamw"))

    def zero_grad(self) -> None:
        """Drop all gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self, learning_rate: float) -> None:
        """One step at this learning rate."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = learning_rate
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """For a checkpoint."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, state: list[dict[str, Any]]) -> None:
        """The inverse of ``state_dict``.

        Raises:
            ValueError: the state of other parameters.
        """
        for part, values in zip(self.parts, state, strict=True):
            part.load_state_dict(values)


def _is_hidden(name: str, parameter: nn.Parameter) -> bool:
    return parameter.dim() == 2 and ".layers." in name


def learning_rate(step: int, total_steps: int, section: OptimizationSection) -> float:
    """Linear warm-up, then half a cosine to zero at ``total_steps`` (arXiv 1608.03983)."""
    if step < section.warmup_steps:
        return section.learning_rate * (step + 1) / section.warmup_steps
    progress = (step - section.warmup_steps) / max(1, total_steps - section.warmup_steps)
    return section.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
