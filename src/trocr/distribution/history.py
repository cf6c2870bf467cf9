"""Runs over a manifest, and how fast they went."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs(
  id INTEGER PRIMARY KEY, started REAL, seen REAL, ended TEXT, workers INTEGER,
  pages INTEGER DEFAULT 0, entries INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS samples(
  at REAL PRIMARY KEY, run INTEGER, pages INTEGER, entries INTEGER);
"""
_SAMPLES, _SECONDS = 60, 5.0  # kept, and between two of them: the speed is that of five minutes


@dataclass(frozen=True)
class Run:
    """One run: seconds of the epoch, how it ended (``""`` where nothing was noted), what it did."""

    number: int
    started: float
    seen: float
    ended: str
    workers: int
    pages: int
    entries: int


class History:
    """The runs of a manifest; changes are part of the transaction that is open."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def start(self, workers: int) -> int:
        """A run begins; returns its number."""
        now = time.time()
        row = self._db.execute(
            "INSERT INTO runs(started, seen, ended, workers) VALUES(?, ?, '', ?)",
            (now, now, workers),
        )
        number = int(row.lastrowid or 0)
        self._db.execute("INSERT OR REPLACE INTO samples VALUES(?, ?, 0, 0)", (now, number))
        return number

    def end(self, run: int, how: str) -> None:
        """A run has ended, in a word."""
        row = time.time(), how, run
        self._db.execute("UPDATE runs SET seen = ?, ended = ? WHERE id = ?", row)

    def add(self, run: int, pages: int, entries: int) -> None:
        """So much more is done."""
        now = time.time()
        self._db.execute(
            "UPDATE runs SET seen = ?, pages = pages + ?, entries = entries + ? WHERE id = ?",
            (now, pages, entries, run),
        )
        last = self._db.execute("SELECT max(at) FROM samples").fetchone()[0]
        if last is None or now - last >= _SECONDS:
            self._db.execute(
                "INSERT INTO samples SELECT ?, id, pages, entries FROM runs WHERE id = ?",
                (now, run),
            )
            self._db.execute(
                "DELETE FROM samples WHERE at NOT IN"
                f" (SELECT at FROM samples ORDER BY at DESC LIMIT {_SAMPLES})"
            )

    def runs(self) -> list[Run]:
        """All of them."""
        names = "id, started, seen, ended, workers, pages, entries"
        return [Run(*row) for row in self._db.execute(f"SELECT {names} FROM runs ORDER BY id")]

    def speed(self) -> tuple[float, float]:
        """Pages and entries a second, lately, of the last run; zeros where nothing is known."""
        runs = self.runs()
        if not runs:
            return 0.0, 0.0
        last = runs[-1]
        query = "SELECT at, pages, entries FROM samples WHERE run = ? ORDER BY at LIMIT 1"
        first = self._db.execute(query, (last.number,)).fetchone()
        at, pages, entries = first or (last.started, 0, 0)
        seconds = last.seen - at
        if seconds <= 0:
            return 0.0, 0.0
        return (last.pages - pages) / seconds, (last.entries - entries) / seconds
