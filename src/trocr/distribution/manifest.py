"""What is known of every entry and unit of a batch run, in SQLite: every change is one transaction.

Written ahead (WAL) and synced at checkpoints: kill -9 loses nothing, a power cut at most the last
seconds, whose units are then read again.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import OutputError, UsageError
from ..writers.characters import encodable
from . import history
from .entries import Container, Entry, Fault
from .units import Numbered, Outcome, Unit, key_of

NAME = "manifest.sqlite"
LISTED = "listed"  # the fact that says whether all inputs were listed to their end
LEFT, DONE, QUARANTINED = range(3)
COUNTERS = ("listed", "done", "quarantined", "pages", "failed_pages", "units", "units_done")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters(name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries(
  id INTEGER PRIMARY KEY, name BLOB UNIQUE NOT NULL,
  base INTEGER NOT NULL, -- bytes of the name that are the file which holds it
  place INTEGER, size INTEGER NOT NULL, stamp TEXT NOT NULL,
  state INTEGER NOT NULL, deaths INTEGER NOT NULL DEFAULT 0,
  pages INTEGER, failed INTEGER, reason TEXT);
CREATE INDEX IF NOT EXISTS quarantine ON entries(id) WHERE state = 2;
CREATE TABLE IF NOT EXISTS units(
  first INTEGER PRIMARY KEY, last INTEGER NOT NULL, key TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS todo ON units(first) WHERE done = 0;
CREATE TABLE IF NOT EXISTS containers(name BLOB PRIMARY KEY, stamp TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS garbage(key TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_COLUMNS = "id, name, base, place, size, stamp, state"
_LOOKUP = 500  # names in one query


class Manifest:
    """The manifest in a folder.

    Args:
        folder: on a disk of this machine.
        write: it is made where there is none, and may be changed, by one process at a time.

    Raises:
        UsageError: there is none, or another process writes it.
        OutputError: it cannot be opened.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self.path = folder / NAME
        if not write and not self.path.is_file():
            raise UsageError(f"{folder} holds no manifest of a batch run.", "Name its OUTPUT.")
        with _reported(self.path):
            if write:
                folder.mkdir(parents=True, exist_ok=True)
            mode = "rwc" if write else "ro"
            uri = f"{self.path.resolve().as_uri()}?mode={mode}"
            self._db = sqlite3.connect(uri, uri=True, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA cache_size = -65536")
            if write:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.executescript(_SCHEMA + history.SCHEMA)
        self.history = history.History(self._db)

    def close(self) -> None:
        """Nothing more will be asked."""
        self._db.close()

    # Facts

    def settings(self) -> dict[str, Any]:
        """Those that the run was begun with; empty where it was not."""
        return dict(json.loads(self.fact("settings") or "{}"))

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Note the settings of a run, or compare them with those it was begun with.

        Raises:
            UsageError: they are others.
        """
        known = self.settings()
        given = json.loads(json.dumps(settings))
        if not known:
            self.note("settings", json.dumps(given, sort_keys=True))
        differing = [
            key for key in {**known, **given} if known and known.get(key) != given.get(key)
        ]
        if differing:
            key = differing[0]
            raise UsageError(
                f"{self.path.parent} was begun with {key} {_shown(known.get(key))},"
                f" not {_shown(given.get(key))}.",
                "Give the same options, or another OUTPUT.",
            )

    def fact(self, key: str) -> str | None:
        """A fact that was noted."""
        row = self._db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, key: str, value: str) -> None:
        """Note a fact."""
        with self.transaction():
            self._db.execute("INSERT OR REPLACE INTO facts VALUES(?, ?)", (key, value))

    def first_fact(self, key: str, value: str) -> str:
        """A fact that stays as it was when it was first noted."""
        if self.fact(key) is None:
            self.note(key, value)
        return str(self.fact(key))

    def counters(self) -> dict[str, int]:
        """All of `COUNTERS`; a fact of the manifest, not counted anew."""
        return dict.fromkeys(COUNTERS, 0) | dict(self._db.execute("SELECT * FROM counters"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes inside, or none; inside of another one a part of that.

        Raises:
            OutputError: the disk is full, or refuses.
        """
        if self._db.in_transaction:
            yield
            return
        with _reported(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _count(self, **changes: int) -> None:
        self._db.executemany(
            "INSERT INTO counters VALUES(?, ?) ON CONFLICT DO UPDATE SET value = value + ?",
            [(name, change, change) for name, change in changes.items() if change],
        )

    # Entries

    def known(self, names: Sequence[str]) -> dict[str, tuple[int, int, str]]:
        """Number, size and stamp of those entries that are known."""
        found = {}
        for at in range(0, len(names), _LOOKUP):
            part = [_bytes(name) for name in names[at : at + _LOOKUP]]
            marks = ",".join("?" * len(part))
            query = f"SELECT id, name, size, stamp FROM entries WHERE name IN ({marks})"
            for number, name, size, stamp in self._db.execute(query, part):
                found[_text(name)] = number, size, stamp
        return found

    def is_listed(self, name: str, stamp: str) -> bool:
        """Whether all entries of an archive are known, in this version of it."""
        query = "SELECT 1 FROM containers WHERE name = ? AND stamp = ?"
        return self._db.execute(query, (_bytes(name), stamp)).fetchone() is not None

    def add_unit(self, entries: Sequence[Entry]) -> int:
        """Make a unit of entries that are not known; returns its number."""
        with self.transaction():
            query = "SELECT max(id) FROM entries"
            first = (self._db.execute(query).fetchone()[0] or 0) + 1
            self._db.executemany(
                f"INSERT INTO entries({_COLUMNS}) VALUES(?, ?, ?, ?, ?, ?, {LEFT})",
                [_row(first + at, entry) for at, entry in enumerate(entries)],
            )
            self._db.execute(
                "INSERT INTO units(first, last, key) VALUES(?, ?, ?)",
                (first, first + len(entries) - 1, key_of(self._digest(), entries)),
            )
            self._count(listed=len(entries), units=1)
        return first

    def add_fault(self, fault: Fault) -> None:
        """Quarantine what holds no entries, or cannot be listed to its end."""
        with self.transaction():
            self.forget_fault(fault.name)
            if self.known([fault.name]):
                return  # it was read when it was there
            self._db.execute(
                "INSERT INTO entries(name, base, size, stamp, state, reason)"
                f" VALUES(?, ?, 0, ?, {QUARANTINED}, ?)",
                (_bytes(fault.name), len(_bytes(fault.name)), fault.stamp, encodable(fault.reason)),
            )
            self._count(listed=1, quarantined=1)

    def forget_fault(self, name: str) -> None:
        """What was a fault is none any more."""
        with self.transaction():
            query = "SELECT id FROM entries WHERE name = ?"
            row = self._db.execute(query, (_bytes(name),)).fetchone()
            if row and not self._unit_row(row[0]):
                self._db.execute("DELETE FROM entries WHERE id = ?", row)
                self._count(listed=-1, quarantined=-1)

    def add_container(self, container: Container) -> None:
        """All entries of an archive are known."""
        with self.transaction():
            if container.whole:
                self.forget_fault(container.name)
            row = _bytes(container.name), container.stamp
            self._db.execute("INSERT OR REPLACE INTO containers VALUES(?, ?)", row)

    def change(self, number: int, entry: Entry) -> bool:
        """An entry has other bytes than before: its unit becomes another one, and is read again.

        Returns:
            False where it is in no unit: it was a fault.
        """
        with self.transaction():
            unit = self._unit_row(number)
            if unit is None:
                return False
            place = entry.place, entry.size, entry.stamp, number
            self._db.execute("UPDATE entries SET place=?, size=?, stamp=? WHERE id=?", place)
            self._reopen(unit[0], changed=True)
        return True

    def retry(self) -> int:
        """Take entries out of quarantine; their units are read again. Returns how many."""
        with self.transaction():
            query = "SELECT id FROM entries WHERE state = 2"
            numbers = [number for (number,) in self._db.execute(query)]
            rows = [row for number in numbers if (row := self._unit_row(number))]
            for first in dict.fromkeys(row[0] for row in rows):
                self._reopen(first)
        return len(rows)

    def _reopen(self, first: int, *, changed: bool = False) -> None:
        """A unit is to be read as if it never was."""
        unit = self.unit(first)
        inside = (first, unit.entries[-1].number)
        query = "SELECT state, count(*), sum(pages), sum(failed) FROM entries"
        for state, count, pages, failed in self._db.execute(
            f"{query} WHERE id BETWEEN ? AND ? AND state GROUP BY state", inside
        ).fetchall():
            what = "done" if state == DONE else "quarantined"
            self._count(**{what: -count}, pages=-(pages or 0), failed_pages=-(failed or 0))
        self._db.execute(
            f"UPDATE entries SET state={LEFT}, deaths=0, pages=NULL, failed=NULL, reason=NULL"
            " WHERE id BETWEEN ? AND ?",
            inside,
        )
        was_done = self._db.execute("SELECT done FROM units WHERE first=?", (first,)).fetchone()
        self._count(units_done=-was_done[0])
        key = unit.key
        if changed:
            key = key_of(self._digest(), (each.entry for each in unit.entries))
            self._db.execute("INSERT OR IGNORE INTO garbage VALUES(?)", (unit.key,))
            self._db.execute("DELETE FROM garbage WHERE key=?", (key,))
        self._db.execute("UPDATE units SET done=0, deaths=0, key=? WHERE first=?", (key, first))

    # Units

    def _digest(self) -> str:
        return self.fact("settings") or ""

    def _unit_row(self, number: int) -> Any:
        """First, last and key of the unit that an entry belongs to; None of a fault."""
        query = "SELECT first, last, key FROM units WHERE first <= ? ORDER BY first DESC LIMIT 1"
        row = self._db.execute(query, (number,)).fetchone()
        return row if row and number <= row[1] else None

    def todo(self, count: int) -> list[int]:
        """Numbers of the first units that are to be read."""
        query = "SELECT first FROM units WHERE done = 0 ORDER BY first LIMIT ?"
        return [number for (number,) in self._db.execute(query, (count,))]

    def deaths(self, number: int) -> int:
        """How often a worker died over the unit of that number."""
        query = "SELECT deaths FROM units WHERE first = ?"
        return int(self._db.execute(query, (number,)).fetchone()[0])

    def unit(self, number: int) -> Unit:
        """The unit of that number."""
        query = "SELECT last, key, deaths FROM units WHERE first = ?"
        last, key, deaths = self._db.execute(query, (number,)).fetchone()
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM entries WHERE id BETWEEN ? AND ? ORDER BY id", (number, last)
        )
        return Unit(number, key, tuple(_numbered(row) for row in rows), deaths)

    def commit(self, unit: Unit, outcomes: Sequence[Outcome], run: int) -> bool:
        """Note what became of a unit whose shard is in its place.

        Returns:
            False where the unit has changed meanwhile: nothing is noted, it is read again.
        """
        with self.transaction():
            query = "SELECT key, done FROM units WHERE first = ?"
            if self._db.execute(query, (unit.number,)).fetchone() != (unit.key, 0):
                self._db.execute("INSERT OR IGNORE INTO garbage VALUES(?)", (unit.key,))
                return False
            self._settle(outcomes)
            self._db.execute("UPDATE units SET done = 1 WHERE first = ?", (unit.number,))
            self._count(units_done=1)
            pages = sum(outcome.pages for outcome in outcomes)
            self.history.add(run, pages, len(outcomes))
        return True

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        self._db.executemany(
            "UPDATE entries SET state=?, pages=?, failed=?, reason=? WHERE id=?",
            [
                (_state(each), each.pages, each.failed, each.reason, each.number)
                for each in outcomes
            ],
        )
        bad = sum(outcome.reason is not None for outcome in outcomes)
        self._count(
            done=len(outcomes) - bad,
            quarantined=bad,
            pages=sum(outcome.pages for outcome in outcomes),
            failed_pages=sum(outcome.failed for outcome in outcomes),
        )

    def note_death(self, unit: Unit, number: int | None, most: int, reason: str) -> bool:
        """A worker died over a unit, and if that is known, over the entry of a number.

        Returns:
            whether the entry is quarantined, which it is once `most` workers died over it.
        """
        with self.transaction():
            self._db.execute("UPDATE units SET deaths = deaths + 1 WHERE first=?", (unit.number,))
            if number is None:
                return False
            self._db.execute("UPDATE entries SET deaths = deaths + 1 WHERE id = ?", (number,))
            query = f"SELECT deaths FROM entries WHERE id = ? AND state = {LEFT}"
            row = self._db.execute(query, (number,)).fetchone()
            if row is None or row[0] < most:
                return False
            self._settle([Outcome(number, 0, reason)])
        return True

    def garbage(self) -> list[str]:
        """Keys of units that are no more, whose shards may be."""
        return [key for (key,) in self._db.execute("SELECT key FROM garbage")]

    def forget_garbage(self, keys: Iterable[str]) -> None:
        """Their shards are removed."""
        with self.transaction():
            self._db.executemany("DELETE FROM garbage WHERE key = ?", [(key,) for key in keys])

    def quarantine(self) -> Iterator[tuple[str, str]]:
        """Name and reason of every entry that is given up."""
        query = "SELECT name, reason FROM entries WHERE state = 2 ORDER BY id"
        return ((_text(name), str(reason)) for name, reason in self._db.execute(query))


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{path} cannot be used: {error}.",
            "It needs a local disk with room on it; --state names another folder.",
        ) from error


def _bytes(name: str) -> bytes:
    """File names need not be valid UTF-8."""
    return name.encode("utf-8", "surrogateescape")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _row(number: int, entry: Entry) -> tuple[Any, ...]:
    where = len(_bytes(entry.where))
    return number, _bytes(entry.name), where, entry.place, entry.size, entry.stamp


def _numbered(row: tuple[Any, ...]) -> Numbered:
    number, name, base, place, size, stamp, state = row
    entry = Entry(_text(name), _text(name[:base]), place, size, stamp)
    return Numbered(number, entry, state == QUARANTINED)


def _state(outcome: Outcome) -> int:
    return DONE if outcome.reason is None else QUARANTINED


def _shown(value: Any) -> str:
    return "none" if value is None else f"{value}"
