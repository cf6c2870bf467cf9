"""Structured logs: one JSON object a line on standard error, about the work and never its content.

What is logged is an event's name and fields of `FIELDS`; any other field is dropped. Of exceptions
there are types and places but no messages, and of other packages' records no arguments: both may
hold names, URLs or text.
"""

from __future__ import annotations

import json
import logging
import re
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime, timezone
from types import TracebackType
from typing import Any
from uuid import uuid4

FIELDS = (
    "request_id",
    "method",
    "route",
    "status",
    "seconds",
    "bytes",
    "requests",
    "pages",
    "lines",
    "reason",
    "worker",
    "workers",
    "exit_code",
    "tasks",
    "host",
    "port",
)
Value = str | int | float | None

_LOGGER = logging.getLogger("trocr.serving")
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_FACTS: ContextVar[dict[str, Value] | None] = ContextVar("facts of the request", default=None)


def log(
    event: str,
    fields: Mapping[str, Value] | None = None,
    *,
    level: int = logging.INFO,
    error: bool = False,
) -> None:
    """Log an event.

    Args:
        event: a fixed name, such as ``"worker-lost"``.
        fields: only those of `FIELDS` are written.
        error: add the exception that is being handled.
    """
    _LOGGER.log(level, event, extra={"fields": fields or {}}, exc_info=error)


def note(**fields: Value) -> None:
    """Add to the log line of the request that is being answered; without one nothing happens."""
    facts = _FACTS.get()
    if facts is not None:
        facts.update(fields)


def begin_request(given_id: str | None) -> dict[str, Value]:
    """The facts that `note` adds to from now on.

    Args:
        given_id: what the client calls its request; kept if it is short and plain.
    """
    sane = given_id is not None and _SANE_ID.fullmatch(given_id)
    facts: dict[str, Value] = {"request_id": given_id if sane else uuid4().hex}
    _FACTS.set(facts)
    return facts


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, timezone.utc)
        entry: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": _event(record),
        }
        # What is logged while a request is answered bears its id.
        fields = {"request_id": (_FACTS.get() or {}).get("request_id")}
        fields.update(getattr(record, "fields", {}))
        entry.update((name, fields[name]) for name in FIELDS if fields.get(name) is not None)
        if record.exc_info and record.exc_info[0] is not None:
            kind, _, trace = record.exc_info
            entry |= {"error": kind.__name__, "trace": _places(trace)}
        return json.dumps(entry)


def _event(record: logging.LogRecord) -> str:
    """Ours and uvicorn's as they are; of others the first line without arguments."""
    if record.name.startswith(("trocr.", "uvicorn")):
        return record.getMessage()
    return str(record.msg).partition("\n")[0]


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def log_config(level: str = "info") -> dict[str, Any]:
    """For ``logging.config.dictConfig``, and ``log_config`` of uvicorn.

    Uvicorn's own lines about requests are off: they hold paths with their queries.
    """
    ours = {"level": level.upper()}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "trocr": ours,
            "uvicorn": ours,
            "uvicorn.access": {"level": "CRITICAL", "propagate": False},
        },
    }
