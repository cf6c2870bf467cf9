"""What is found goes into the manifest: new entries in units, changed ones into their own again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice

from .entries import Container, Entry, Fault
from .listing import Found
from .manifest import LISTED, Manifest

UNIT_BYTES = 256 << 20  # a unit that has as many is closed
_LAST = 8  # of the last two units so many become one: workers end together, and few files go round
_CHUNK = 1000  # found in one go


class Intake:
    """Takes what is found, a little at a time.

    Args:
        manifest: is added to.
        found: what ``find_entries`` gives.
        unit_size: entries of a unit.
        least_size: of the last units, which are smaller.

    Units do not depend on when a run was cut off: entries that make no whole unit yet are not
    noted, and found again. Two units' worth always waits, for it may be the last.
    """

    def __init__(
        self, manifest: Manifest, found: Iterator[Found], unit_size: int, least_size: int = 1
    ) -> None:
        self._manifest, self._found, self._unit_size = manifest, found, unit_size
        self._last_size = min(unit_size, max(least_size, unit_size // _LAST))
        # Entries that are in no unit yet, a container after its own.
        self._waiting: deque[Entry | Container] = deque()
        self._names: set[str] = set()  # of those entries
        self._bytes = 0
        self._known: dict[str, tuple[int, int, str]] = {}  # number, size and stamp, by name
        self._begun = self.is_over = False

    def step(self) -> None:
        """Take a thousand of what is found; `is_over` afterwards if that was the last.

        Raises:
            UsageError: inputs cannot be listed at all.
            OutputError: the manifest cannot be written.
        """
        chunk = list(islice(self._found, _CHUNK))
        names = [each.name for each in chunk if isinstance(each, Entry)]
        self._known = self._manifest.known(names)
        with self._manifest.transaction():
            for each in chunk:
                if isinstance(each, Container):
                    self._waiting.append(each)
                elif isinstance(each, Fault):
                    self._manifest.add_fault(each)
                elif each.name not in self._known:
                    self._wait(each)
                elif self._known[each.name][1:] != (each.size, each.stamp):
                    self._changed(each)
            over = len(chunk) < _CHUNK
            while over and self._names:
                self._close_unit(self._last_size, UNIT_BYTES // _LAST)
            self._note_containers()
            if over or not self._begun:
                self._manifest.note(LISTED, "yes" if over else "no")
        self._begun, self.is_over = True, over

    def _wait(self, entry: Entry) -> None:
        if entry.name not in self._names:
            self._waiting.append(entry)
            self._names.add(entry.name)
            self._bytes += entry.size
        if len(self._names) >= 2 * self._unit_size or self._bytes >= 2 * UNIT_BYTES:
            self._close_unit(self._unit_size, UNIT_BYTES)

    def _close_unit(self, count: int, size: int) -> None:
        """Make a unit of the first that wait: so many, or as many as have so many bytes."""
        entries: list[Entry] = []
        while self._names and len(entries) < count and size > 0:
            self._note_containers()
            entry = self._waiting.popleft()
            assert isinstance(entry, Entry)
            self._names.remove(entry.name)
            self._bytes -= entry.size
            size -= entry.size
            entries.append(entry)
        first = self._manifest.add_unit(entries)
        for number, entry in enumerate(entries, start=first):
            self._known[entry.name] = number, entry.size, entry.stamp

    def _note_containers(self) -> None:
        """Those all of whose entries are in units."""
        while self._waiting and isinstance(first := self._waiting[0], Container):
            self._manifest.add_container(first)
            self._waiting.popleft()

    def _changed(self, entry: Entry) -> None:
        number = self._known[entry.name][0]
        if self._manifest.change(number, entry):
            self._known[entry.name] = number, entry.size, entry.stamp
        else:
            self._manifest.forget_fault(entry.name)
            del self._known[entry.name]
            self._wait(entry)
