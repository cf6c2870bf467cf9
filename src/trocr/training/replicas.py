"""Data-parallel training: the processes that share every step.

They find each other by the variables that ``torchrun`` sets (``RANK``, ``WORLD_SIZE``,
``LOCAL_RANK``, ``MASTER_ADDR``, ``MASTER_PORT``); ``run_replicas`` sets them for the processes that
it starts.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import ProcessExitedException, spawn

from ..errors import TrOCRError, UsageError
from .interruption import SIGNALS

INTERRUPTED = 128 + signal.SIGINT  # exit status
GRACE = 60.0  # seconds for the others to end after the first has


class Replicas:
    """This process, number ``rank`` of ``size`` that hold the same model, and its ``device``.

    Each has a CUDA device of its own where there are any, else they share the CPU.

    Raises:
        UsageError: more processes than CUDA devices.
    """

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", 0))
        self.size = int(os.environ.get("WORLD_SIZE", 1))
        local, here = (int(os.environ.get(f"LOCAL_{key}", 0)) for key in ("RANK", "WORLD_SIZE"))
        devices = torch.cuda.device_count()
        if devices and here > devices:
            raise UsageError(f"{here} processes for {devices} GPU.", "Start one process a GPU.")
        self.device = torch.device("cuda", local) if devices else torch.device("cpu")

    def __enter__(self) -> Replicas:
        if self.size > 1:
            if self.device.type == "cuda":
                torch.cuda.set_device(self.device)
                distributed.init_process_group("cpu:gloo,cuda:nccl")
            else:
                torch.set_num_threads(1)
                distributed.init_process_group("gloo")
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        if self.size > 1:
            if kind is None:
                # Gloo's threads may still hold tensors, which abort an interpreter that ends.
                distributed.barrier()
            distributed.destroy_process_group()

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

    def gather(self, value: Tensor) -> Tensor:
        """``value``, on the CPU and of one shape everywhere, of every process: (size, ...)."""
        if self.size == 1:
            return value[None]
        values = [torch.empty_like(value) for _ in range(self.size)]
        distributed.all_gather(values, value)
        return torch.stack(values)


def run_replicas(processes: int, train: Callable[..., None], *arguments: Any) -> None:
    """Call ``train(replicas, *arguments)`` in ``processes`` processes of this machine.

    Under ``torchrun`` this process is one of several already, and starts no more.

    Raises:
        TrOCRError: what one of them raised.
        KeyboardInterrupt: they were interrupted.
    """
    if processes == 1 or "WORLD_SIZE" in os.environ:
        with Replicas() as replicas:
            train(replicas, *arguments)
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    failures = multiprocessing.get_context("spawn").SimpleQueue()
    inside = (processes, port, failures, train, arguments)
    context = spawn(_enter, inside, nprocs=processes, join=False)  # type: ignore[no-untyped-call]

    def forward(*signal_and_frame: object) -> None:
        for process in context.processes:
            process.terminate()

    before = {number: signal.signal(number, forward) for number in SIGNALS}
    try:
        while not context.join(grace_period=GRACE):
            pass
    except ProcessExitedException as error:
        if not failures.empty():
            raise failures.get() from None
        if error.exit_code == INTERRUPTED:
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_under_torchrun() -> None:
    """End a process that ``torchrun`` started, at once; do nothing in any other.

    A thread of gloo's that is still there when the interpreter ends can abort it, and the run with
    it (pytorch/pytorch#179291).
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _enter(
    rank: int,
    size: int,
    port: int,
    failures: SimpleQueue[TrOCRError],
    train: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size}
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({key: str(value) for key, value in (ranks | address).items()})
    try:
        with Replicas() as replicas:
            train(replicas, *arguments)
    except TrOCRError as error:
        failures.put(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
