"""What a machine is, what it can do, and what a run has taken of it."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from .. import __version__

PACKAGES = ("torch", "numpy", "pillow", "tokenizers")
SOURCE = Path(__file__).parents[1]
SECONDS = 0.5  # that each peak is looked for
CPU_SIDE, CUDA_SIDE = 2048, 8192  # of the square matrices
CPU_BYTES, CUDA_BYTES = 2**28, 2**31  # of the copied buffer


def hardware(device: torch.device) -> dict[str, Any]:
    """CPU, its cores and the threads in use, and the GPU where that is the device."""
    is_cuda = device.type == "cuda"
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name(device) if is_cuda else None,
    }


def cpu_name() -> str:
    """As the kernel calls it, where it says so."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text() if cpuinfo.exists() else "")
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Of ``trocr``, Python, and the packages that do the work."""
    found = {name: metadata.version(name) for name in PACKAGES}
    return {"trocr": __version__, "python": platform.python_version(), **found}


def commit() -> str | None:
    """Of the checkout that this package is in, ``-dirty`` if it was edited; else None."""
    tracked = _git("ls-files", "--error-unmatch", "__init__.py")
    return _git("describe", "--always", "--dirty", "--abbrev=40") if tracked else None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=SOURCE, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """So many threads for torch; None: as many as it has."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def gemm_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large square matrix product, at its fastest."""
    side = CUDA_SIDE if device.type == "cuda" else CPU_SIDE
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(left)
    return 2 * side**3 / _fastest(lambda: torch.mm(left, right, out=product), device)


def bandwidth_peak(device: torch.device) -> float:
    """Bytes a second, read and written, of a copy between two large buffers, at its fastest."""
    size = CUDA_BYTES if device.type == "cuda" else CPU_BYTES
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    return 2 * size / _fastest(lambda: target.copy_(source), device)


def _fastest(work: Callable[[], Any], device: torch.device) -> float:
    """Seconds; the first call warms up."""
    work()
    synchronize(device)
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        work()
        synchronize(device)
        best = min(best, time.perf_counter() - began)
    return best


def synchronize(device: torch.device) -> None:
    """Wait for what was asked of a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_rss() -> int | None:
    """Bytes of memory that this process has held at most since it began; None on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def peak_cuda(device: torch.device) -> int | None:
    """Bytes that tensors have held at most on a GPU since ``reset_peak_cuda``."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def reset_peak_cuda(device: torch.device) -> None:
    """Count anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
