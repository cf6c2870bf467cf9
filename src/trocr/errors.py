"""Every error that trocr raises on purpose: what went wrong, where, and what to do next."""

from __future__ import annotations


class TrOCRError(Exception):
    """Base class. ``str(error)`` is the message followed by the hint.

    Args:
        message: what went wrong and where, one sentence.
        hint: what the user can do about it.

    Attributes:
        exit_code: the exit status of the command line when this error ends it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class UsageError(TrOCRError, ValueError):
    """An argument, or a combination of arguments, that cannot work."""

    exit_code = 2


class ImageError(TrOCRError, ValueError):
    """A picture that cannot be read: truncated, empty, too large, or no picture at all."""

    exit_code = 3


class CheckpointError(TrOCRError, OSError):
    """A model or tokenizer folder that is missing, incomplete, corrupt or unsafe."""

    exit_code = 4


class DataError(TrOCRError, ValueError):
    """A labelled data set that cannot be read."""

    exit_code = 5


class OutputError(TrOCRError, OSError):
    """A result that cannot be written: no permission, no room, no such folder."""

    exit_code = 6


class RefusedError(TrOCRError):
    """What was measured is not good enough: a change is not made, a limit is exceeded."""

    exit_code = 7


class ServerError(TrOCRError):
    """A server that cannot be reached, or has no time or no health to answer."""
