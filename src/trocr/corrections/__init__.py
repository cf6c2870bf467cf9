"""Read documents to lines that a person corrects, and the corrections to lines to learn from."""

from .applying import Applied, apply_corrections
from .lines import WorkLine, find_lines
from .marks import Correction, Mark, read_corrections
from .worklist import TABLE, WEB_PAGE, choose, write_worklist

__all__ = [
    "TABLE",
    "WEB_PAGE",
    "Applied",
    "Correction",
    "Mark",
    "WorkLine",
    "apply_corrections",
    "choose",
    "find_lines",
    "read_corrections",
    "write_worklist",
]
