"""What processes that read for hours need: one thread, and memory that stays flat."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# For the process to start with. Every new width of a batch makes kernels, of which oneDNN would
# keep 1,024, and what torch puts around oneDNN (ideep) as many once more.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128",
    "LRU_CACHE_CAPACITY": "16",
}


def use_one_thread() -> None:
    """For matrix products too, whatever was set before."""
    import torch

    torch.set_num_threads(1)


def give_back_memory() -> None:
    """Hand freed memory to the system, where the C library (glibc) can be asked to."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
