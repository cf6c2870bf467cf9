"""Units of work: some entries that are read together and become one shard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from .entries import Entry


@dataclass(frozen=True)
class Numbered:
    """An entry, its number in the manifest, and whether it is given up."""

    number: int
    entry: Entry
    quarantined: bool = False


@dataclass(frozen=True)
class Unit:
    """Neighbouring entries.

    Attributes:
        number: of its first entry.
        key: its content address.
        entries: all of them.
        deaths: how often a worker died over it.
    """

    number: int
    key: str
    entries: tuple[Numbered, ...]
    deaths: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of an entry: ``reason`` says why it is quarantined; None where it was read.

    ``failed`` counts pages of it that could not be read.
    """

    number: int
    pages: int
    reason: str | None = None
    failed: int = 0


def key_of(settings: str, entries: Iterable[Entry]) -> str:
    """The content address of a unit: 32 hexadecimal digits of a SHA-256.

    Args:
        settings: a digest of what else decides what is read.
        entries: of which name, size and stamp count.
    """
    digest = hashlib.sha256(settings.encode())
    for entry in entries:
        row = f"{entry.name}\0{entry.size}\0{entry.stamp}\n"
        digest.update(row.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]
