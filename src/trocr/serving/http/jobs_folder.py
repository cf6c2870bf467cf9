"""The private folder of one server's jobs, and those that servers left which were killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where nothing is removed but by its own server
    fcntl = None  # type: ignore[assignment]

_PREFIX = "trocr-jobs-"
_LOCK = "lock"


class JobsFolder:
    """A folder that nobody else may look into.

    A living server holds a lock in it, which the system takes away with the process.

    Attributes:
        path: of the folder.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        self.path = Path(self._folder.name)
        unlocked = self.path / f"{_LOCK}.new"
        self._lock = os.open(unlocked, os.O_CREAT | os.O_RDWR, 0o600)
        if fcntl:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        unlocked.rename(self.path / _LOCK)  # so that it never is there without being held

    def remove(self) -> None:
        """With all that is in it."""
        self._folder.cleanup()
        os.close(self._lock)


def remove_leftovers() -> None:
    """Remove the folders of servers of this user that are no longer alive."""
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or one that is held
            _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    """
    Raises:
        OSError: its server lives, or it is none of ours.
    """
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
