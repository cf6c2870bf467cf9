"""What a server may be asked for, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..pages import Limits

MIB = 1 << 20
_MAX_PIXELS = 178_956_970  # as `trocr.image`, which ``trocr --help`` does not load for it


@dataclass(frozen=True)
class ServeSettings:
    """How a server reads, and what it refuses.

    Attributes:
        models: that requests may name: bundled ones, folders or hub ids. The first is the default.
        devices: each worker runs on one of them, in turn; as for ``trocr.load``.
        workers: processes that read. Each holds all models, and they share the cores. None: one
            for each device, or ``workers.count.usual_workers`` where all are the CPU.
        detector: what finds lines, as for ``trocr.read``.
        batch_size: lines of all requests together in one pass.
        max_body_bytes: of one request, files and all.
        max_pixels: of one picture or page.
        max_pages: of one document.
        max_lines: pictures in one request for lines.
        max_waiting: requests that are accepted and not answered, in all.
        max_waiting_bytes: of their bodies.
        seconds: until a request must be answered, unless it asks for less.
        body_seconds: until the body of a request must have come.
        job_seconds: until a job must be done.
        max_jobs: that are known at a time, done ones too.
        job_keep_seconds: that a job is kept once it is done.
        urls: documents may be named by their URL.
        api_keys: one of them has to come with each request; empty: none.
        origins: web pages of other hosts that may use the server.
        grace_seconds: to finish, when asked to stop, what was accepted.
    """

    models: tuple[str, ...] = ("printed", "handwritten", "fast")
    devices: tuple[str, ...] = ("auto",)
    workers: int | None = None
    detector: str = "auto"
    batch_size: int = 32
    max_body_bytes: int = 64 * MIB
    max_pixels: int = _MAX_PIXELS
    max_pages: int = 1000
    max_lines: int = 1000
    max_waiting: int = 64
    max_waiting_bytes: int = 256 * MIB
    seconds: float = 60.0
    body_seconds: float = 30.0
    job_seconds: float = 3600.0
    max_jobs: int = 64
    job_keep_seconds: float = 3600.0
    urls: bool = True
    api_keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    grace_seconds: float = 60.0

    @property
    def limits(self) -> Limits:
        """For ``read_pages``."""
        from ..pages import Limits

        return Limits(
            pixels=self.max_pixels,
            pages=self.max_pages,
            stream_bytes=self.max_body_bytes,
            seconds=self.body_seconds,
        )
