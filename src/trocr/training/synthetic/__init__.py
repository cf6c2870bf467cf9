"""Rendered lines with known text: faces, texts, and the paper that they are put on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import UsageError


@contextmanager
def training_extra() -> Iterator[None]:
    """Round imports of packages that only the extra ``train`` brings.

    Raises:
        UsageError: one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(
            f"Training needs {error.name}, which is not installed.",
            'Run pip install "trocr[train]".',
        ) from None
