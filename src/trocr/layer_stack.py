"""Layers whose inner states are kept for the backward pass, or computed again in it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


class LayerStack:
    """What a module with layers inherits besides ``nn.Module``.

    Attributes:
        gradient_checkpointing: compute the layers again while training: less memory, more time.
        checkpointing_options: of ``torch.utils.checkpoint.checkpoint``.
    """

    training: bool
    gradient_checkpointing = False
    checkpointing_options: Mapping[str, Any] = MappingProxyType({})

    @property
    def recomputes(self) -> bool:
        """Whether this forward pass keeps nothing from within the layers."""
        return self.gradient_checkpointing and self.training

    def run_layer(self, layer: nn.Module, *inputs: Any, **options: Any) -> Any:
        """One layer's output."""
        if not self.recomputes:
            return layer(*inputs, **options)
        how = {**self.checkpointing_options, "use_reentrant": False}
        return checkpoint(layer, *inputs, **how, **options)
