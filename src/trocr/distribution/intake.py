"""What is found goes into the manifest: new entries in units, changed ones into their own again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from .entries import Container, Entry, Fault
from .listing import Found
from .manifest import LISTED, Manifest

UNIT_BYTES = 256 << 20  # a unit that has as many is closed
_CHUNK = 1000  # found in one go


class Intake:
    """Takes what is found, a little at a time.

    Args:
        manifest: is added to.
        found: what ``find_entries`` gives.
        unit_size: entries of a unit.

    Units do not depend on when a run was cut off: entries that make no whole unit yet are not
    noted, and found again.
    """

    def __init__(self, manifest: Manifest, found: Iterator[Found], unit_size: int) -> None:
        self._manifest, self._found, self._unit_size = manifest, found, unit_size
        self._waiting: dict[str, Entry] = {}
        self._bytes = 0
        self._known: dict[str, tuple[int, int, str]] = {}  # number, size and stamp, by name
        self._containers: list[Container] = []  # some of whose entries are waiting
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
                    self._containers.append(each)
                elif isinstance(each, Fault):
                    self._manifest.add_fault(each)
                elif each.name not in self._known:
                    self._wait(each)
                elif self._known[each.name][1:] != (each.size, each.stamp):
                    self._changed(each)
            over = len(chunk) < _CHUNK
            if over or not self._waiting:
                self._close_unit()
            if over or not self._begun:
                self._manifest.note(LISTED, "yes" if over else "no")
        self._begun, self.is_over = True, over

    def _wait(self, entry: Entry) -> None:
        if entry.name not in self._waiting:
            self._waiting[entry.name] = entry
            self._bytes += entry.size
        if len(self._waiting) >= self._unit_size or self._bytes >= UNIT_BYTES:
            self._close_unit()

    def _close_unit(self) -> None:
        if self._waiting:
            first = self._manifest.add_unit(list(self._waiting.values()))
            for number, entry in enumerate(self._waiting.values(), start=first):
                self._known[entry.name] = number, entry.size, entry.stamp
        for container in self._containers:
            self._manifest.add_container(container)
        self._waiting, self._bytes, self._containers = {}, 0, []

    def _changed(self, entry: Entry) -> None:
        number = self._known[entry.name][0]
        if self._manifest.change(number, entry):
            self._known[entry.name] = number, entry.size, entry.stamp
        else:
            self._manifest.forget_fault(entry.name)
            del self._known[entry.name]
            self._wait(entry)
