"""What is done with every entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..pipeline import Settings
from ..writers import FORMATS, WITH_PICTURES, suffix_of
from ..writers import Options as WriterOptions

if TYPE_CHECKING:
    from ..recognizer import Recognizer

SHARDS = ("jsonl", "parquet")


@dataclass(frozen=True)
class Task:
    """How entries are read, and what becomes of them; goes to workers as it is.

    Attributes:
        load: gives the recognizer for a device.
        settings: of the pipeline.
        formats: ``"jsonl"`` or ``"parquet"`` are shards, others documents of their own.
        pages, password, dpi: as of ``read_pages``.
        column: of Parquet inputs.
        mirrored: what all names begin with that is left out of the names of documents.
        writing: settings of the writers.
    """

    load: Callable[[str], Recognizer]
    settings: Settings = field(default_factory=Settings)
    formats: Sequence[str] = ("jsonl",)
    pages: str | None = None
    password: str | None = None
    dpi: float | None = None
    column: str | None = None
    mirrored: str = ""
    writing: WriterOptions = field(default_factory=WriterOptions)

    @property
    def shard_format(self) -> str | None:
        """The one of `SHARDS` that was asked for."""
        return next((name for name in self.formats if name in SHARDS), None)

    @property
    def documents(self) -> list[str]:
        """The formats of documents."""
        return [name for name in self.formats if name not in SHARDS]

    @property
    def needs_original(self) -> bool:
        """Whether a format shows the pages."""
        return bool(WITH_PICTURES & set(self.formats))


def formats_of(names: Sequence[str], writing: WriterOptions) -> tuple[str, ...]:
    """The formats asked for, each once.

    Raises:
        UsageError: an unknown one, or both kinds of shards; a template that is missing or not
            used, or whose files would be called like those of another format.
    """
    found = tuple(dict.fromkeys(names)) or (("template",) if writing.template else ("jsonl",))
    known = [*SHARDS, *(name for name in FORMATS if name not in SHARDS)]
    unknown = [name for name in found if name not in known]
    if unknown:
        raise UsageError(f"There is no format {unknown[0]!r}.", f"Formats: {', '.join(known)}.")
    if set(SHARDS) <= set(found):
        raise UsageError("Records are kept as jsonl or as parquet.", "Choose one.")
    if ("template" in found) != (writing.template is not None):
        raise UsageError(
            "The format template and --template belong together.", "Give both, or neither."
        )
    suffixes = [suffix_of(name, writing) for name in found if name not in SHARDS]
    if len(set(suffixes)) < len(suffixes):
        raise UsageError(
            f"The files of the template would be called {suffix_of('template', writing)}, like"
            " those of another format.",
            "Call the template otherwise: its name without .j2 says how its files end.",
        )
    return found
