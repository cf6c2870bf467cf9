"""Millions of files through recognizers, on one machine or many: a run survives what ends it.

``run_batch`` is the way in; ``read_status`` says how far a run is.
"""

from .listing import read_list
from .run import Plan, mirrored, run_batch, state_of
from .status import Status, read_status
from .task import Task, formats_of

__all__ = [
    "Plan",
    "Status",
    "Task",
    "formats_of",
    "mirrored",
    "read_list",
    "read_status",
    "run_batch",
    "state_of",
]
