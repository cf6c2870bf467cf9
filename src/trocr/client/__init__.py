"""What speaks to a server of ``trocr serve``: the same calls, documents, results and errors."""

from __future__ import annotations

from .client import Client
from .job import Job, JobEvent, JobStatus
from .sources import ReadOptions

__all__ = ["Client", "Job", "JobEvent", "JobStatus", "ReadOptions"]
