"""Which arithmetic training uses on which device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..devices import multiplies_bfloat16


class Precision:
    """bfloat16 products where the hardware is fast at them: CUDA, and CPUs with AMX."""

    def __init__(self, device: torch.device, bfloat16: bool) -> None:
        self.device = device
        self.bfloat16 = bfloat16 and multiplies_bfloat16(device)
        # Read by oneDNN when it builds its first kernel; by default it keeps too few of them.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")

    def autocast(self) -> AbstractContextManager[object]:
        """The context for a forward pass."""
        stack = ExitStack()
        stack.enter_context(torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16))
        stack.enter_context(self.attention())
        return stack

    def attention(self) -> AbstractContextManager[object]:
        """The context for a backward pass, which may compute parts of the forward pass again."""
        if self.device.type == "cpu":
            # The fused backward pass takes nine times as long at the lengths of text lines.
            return sdpa_kernel(SDPBackend.MATH)
        return nullcontext()


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Numbers below 1.2e-38 are 0 on this thread: a CPU takes a hundred times longer over them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
