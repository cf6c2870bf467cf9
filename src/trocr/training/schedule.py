"""The optimizer and its learning rate."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from .config import OptimizationSection


def adamw(model: nn.Module, section: OptimizationSection) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101); biases and norms do not decay."""
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": section.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, section.learning_rate, betas=(0.9, 0.98), fused=True)


def learning_rate(step: int, total_steps: int, section: OptimizationSection) -> float:
    """Linear warm-up, then half a cosine to zero at ``total_steps`` (arXiv 1608.03983)."""
    if step < section.warmup_steps:
        return section.learning_rate * (step + 1) / section.warmup_steps
    progress = (step - section.warmup_steps) / max(1, total_steps - section.warmup_steps)
    return section.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
