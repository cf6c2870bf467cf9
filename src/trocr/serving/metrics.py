"""Numbers for Prometheus, in a registry of one server alone.

No label has more values than there are routes, statuses, stages and the like.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from .. import __version__
from . import serve_extra

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        Metric,
    )
    from prometheus_client.process_collector import ProcessCollector
    from prometheus_client.registry import Collector
except ImportError as error:
    raise serve_extra("prometheus-client") from error

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60)


class PoolStats(Protocol):
    """What workers have done since the server began."""

    @property
    def lines(self) -> int: ...
    @property
    def pages(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def batch_rows(self) -> int: ...
    @property
    def restarts(self) -> int: ...
    @property
    def stage_seconds(self) -> Mapping[str, float]: ...


class Pool(Protocol):
    """What `Metrics` needs of a ``WorkerPool``."""

    @property
    def alive(self) -> int: ...
    @property
    def ready(self) -> bool: ...
    @property
    def waiting(self) -> int: ...
    @property
    def waiting_bytes(self) -> int: ...
    @property
    def stats(self) -> PoolStats: ...


class Metrics:
    """What one server has to say about itself.

    Args:
        pool: its workers.
        jobs: how many jobs are known, by status.
    """

    def __init__(self, pool: Pool, jobs: Callable[[], Mapping[str, int]]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "trocr_requests",
            "Requests that were answered.",
            ("route", "method", "status"),
            registry=self._registry,
        )
        self._latency = Histogram(
            "trocr_request_seconds",
            "From the head of a request to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._in_flight = Gauge(
            "trocr_requests_in_flight",
            "Requests that are being answered.",
            registry=self._registry,
        )
        self._accepted = Counter(
            "trocr_tasks_accepted",
            "Tasks that were given to a worker.",
            ("kind",),
            registry=self._registry,
        )
        self._refused = Counter(
            "trocr_requests_refused",
            "Requests that were refused, by reason.",
            ("reason",),
            registry=self._registry,
        )
        build = Info("trocr_build", "What is running.", registry=self._registry)
        build.info({"version": __version__, "python": platform.python_version()})
        ProcessCollector(registry=self._registry)
        self._registry.register(_PoolCollector(pool, jobs))

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Around one request."""
        with self._in_flight.track_inprogress():
            yield

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is its pattern, never its path."""
        self._requests.labels(route, method, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def accepted(self, kind: str) -> None:
        """Count a task: ``"document"``, ``"lines"``, ``"job"`` or ``"export"``."""
        self._accepted.labels(kind).inc()

    def refused(self, reason: str) -> None:
        """Count a refusal; ``reason`` is one of a few names, such as ``"busy"``."""
        self._refused.labels(reason).inc()

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """All numbers, and their media type, in the form that a scraper's header asks for."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type


class _PoolCollector(Collector):
    """Reads the numbers of the pool and of the jobs when they are asked for."""

    def __init__(self, pool: Pool, jobs: Callable[[], Mapping[str, int]]) -> None:
        self._pool = pool
        self._jobs = jobs

    def collect(self) -> Iterable[Metric]:
        pool, stats = self._pool, self._pool.stats
        for name, text, now in (
            ("trocr_workers_alive", "Workers that are alive and warm.", pool.alive),
            ("trocr_ready", "1 if requests are accepted.", int(pool.ready)),
            ("trocr_queue_tasks", "Tasks accepted and not ended.", pool.waiting),
            ("trocr_queue_bytes", "Bytes of their bodies.", pool.waiting_bytes),
        ):
            yield GaugeMetricFamily(name, text, value=now)
        for name, text, total in (
            ("trocr_lines_read", "Lines that were read.", stats.lines),
            ("trocr_pages_read", "Pages that were read.", stats.pages),
            ("trocr_batches", "Passes of a model.", stats.batches),
            ("trocr_batch_rows", "Lines in them; by batches: how full they are.", stats.batch_rows),
            ("trocr_worker_restarts", "Workers that were started again.", stats.restarts),
        ):
            yield CounterMetricFamily(name, text, value=total)
        stages = CounterMetricFamily(
            "trocr_stage_seconds", "Seconds that workers spent.", labels=("stage",)
        )
        for stage, seconds in sorted(stats.stage_seconds.items()):
            stages.add_metric((stage,), seconds)
        yield stages
        jobs = GaugeMetricFamily("trocr_jobs", "Jobs that are known.", labels=("status",))
        for status, count in sorted(self._jobs().items()):
            jobs.add_metric((status,), count)
        yield jobs
