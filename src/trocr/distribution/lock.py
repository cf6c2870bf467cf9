"""One run at a time over a manifest: a lock that goes with the process that holds it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ..errors import OutputError, UsageError

_NAME = "lock.sqlite"


class Lock:
    """Held while entered. SQLite locks files on every system, and kill -9 lets go of them.

    Args:
        folder: of the manifest.

    Raises:
        UsageError: a run is going on.
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(folder / _NAME, timeout=0, isolation_level=None)
            self._db.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                raise _not_written(folder, error) from error
            raise UsageError(
                f"A run over {folder} is going on.", "Wait for it, or end it; it can go on later."
            ) from None
        except OSError as error:
            raise _not_written(folder, error) from error

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *exception: object) -> None:
        self._db.close()


def is_going_on(folder: Path) -> bool:
    """Whether a run holds the lock of a folder."""
    path = folder / _NAME
    if not path.is_file():
        return False
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=0)
    try:
        database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        return True
    finally:
        database.close()
    return False


def _not_written(folder: Path, error: Exception) -> OutputError:
    return OutputError(
        f"{folder} cannot be written: {error}.", "Choose a folder that you may write to."
    )
