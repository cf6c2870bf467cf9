"""What is to be read next, and what becomes of it: the part of a run that all ways to run share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from .files import Folder
from .intake import Intake
from .manifest import Manifest
from .shards import shard_name
from .task import SHARDS
from .units import Outcome, Unit

MOST_DEATHS = 2  # of workers, each over the same entry alone
KILLED = "It killed its worker twice."


@dataclass(frozen=True)
class Request:
    """A unit to read; entry by entry where a worker died over it."""

    number: int
    one_by_one: bool


class Ledger:
    """The manifest in a run.

    Args:
        manifest, intake: what is known, and where more comes from.
        folder: where shards are.
        run: number of the run.
        progress: is told of pages that were read.
    """

    def __init__(
        self,
        manifest: Manifest,
        intake: Intake,
        folder: Folder,
        run: int,
        progress: Callable[[int], None],
    ) -> None:
        self.manifest, self.intake, self.progress = manifest, intake, progress
        self._folder, self._run = folder, run

    def list_more(self) -> bool:
        """Look for more entries; False once all are found.

        Raises:
            UsageError, OutputError: as ``Intake.step``.
        """
        if not self.intake.is_over:
            self.intake.step()
            self._remove_garbage()
        return not self.intake.is_over

    def next(self, active: Collection[int], count: int) -> list[Request]:
        """Units to read, at most `count`, but for those that are being read."""
        numbers = self.manifest.todo(len(active) + count)
        free = [number for number in numbers if number not in active][:count]
        return [Request(number, self.manifest.deaths(number) > 0) for number in free]

    def finish(self, unit: Unit, outcomes: tuple[Outcome, ...]) -> None:
        """A unit was read, and its files are in their place.

        Raises:
            OutputError: that cannot be noted.
        """
        if not self.manifest.commit(unit, outcomes, self._run):
            self._remove_garbage()

    def died(self, request: Request, entry: int | None) -> None:
        """A worker died over a unit, or broke; `entry` is the number of the one it was reading
        alone.

        Raises:
            OutputError: that cannot be noted.
        """
        unit = self.manifest.unit(request.number)
        left = [each.number for each in unit.entries if not each.quarantined]
        if entry is None and len(left) == 1:
            entry = left[0]
        self.manifest.note_death(unit, entry, MOST_DEATHS, KILLED)

    def _remove_garbage(self) -> None:
        """Shards of units that are no more."""
        keys = self.manifest.garbage()
        for key in keys:
            for format in SHARDS:
                self._folder.remove(shard_name(key, format))
        if keys:
            self.manifest.forget_garbage(keys)
