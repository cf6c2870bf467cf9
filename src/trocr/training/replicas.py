"""Data-parallel training: one process a core beats one process with many threads on a busy CPU."""

from __future__ import annotations

import multiprocessing
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import ProcessExitedException, spawn

from ..errors import TrOCRError


@dataclass(frozen=True)
class Replicas:
    """This process (``rank``) among ``size`` that hold the same model."""

    rank: int = 0
    size: int = 1

    @property
    def device(self) -> torch.device:
        """CUDA device number ``rank`` where there is one, else the CPU."""
        if self.rank < torch.cuda.device_count():
            return torch.device("cuda", self.rank)
        return torch.device("cpu")

    def average_gradients(self, model: nn.Module) -> None:
        """Replace every gradient by its mean over the processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def gather(self, value: Tensor) -> list[Tensor]:
        """``value`` of every process, in rank order."""
        if self.size == 1:
            return [value]
        values = [torch.empty_like(value) for _ in range(self.size)]
        distributed.all_gather(values, value)
        return values


def run_replicas(processes: int, train: Callable[..., None], *arguments: Any) -> None:
    """Call ``train(replicas, *arguments)`` in ``processes`` processes of this machine.

    Raises:
        TrOCRError: what one of them raised.
    """
    if processes == 1:
        train(Replicas(), *arguments)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    failures = multiprocessing.get_context("spawn").SimpleQueue()
    try:
        spawn(_enter, (processes, port, failures, train, arguments), nprocs=processes)  # type: ignore[no-untyped-call]
    except ProcessExitedException:
        if failures.empty():
            raise
        raise failures.get() from None


def _enter(
    rank: int,
    size: int,
    port: int,
    failures: SimpleQueue[TrOCRError],
    train: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=size
    )
    try:
        train(Replicas(rank, size), *arguments)
    except TrOCRError as error:
        failures.put(error)
        sys.exit(error.exit_code)
    finally:
        distributed.destroy_process_group()
