"""How many workers a machine without a GPU has good use for."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ...cores import usable_cores

MOST = 4  # more are worth their memory to those alone who ask for them
BYTES = 1536 << 20  # of memory for each: the models, pages and their pictures
_CGROUP = Path("/sys/fs/cgroup/memory.max")


def usual_workers() -> int:
    """One for each core, as far as memory allows and up to `MOST`.

    Small models gain little from a second thread: two workers of one read more than one of two.
    """
    return max(1, min(usable_cores(), MOST, _memory() // BYTES))


def _memory() -> int:
    """Bytes that this process and its children may use."""
    most = MOST * BYTES
    if hasattr(os, "sysconf"):
        most = min(most, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with contextlib.suppress(OSError, ValueError):  # not there, or "max"
        most = min(most, int(_CGROUP.read_text()))
    return most
