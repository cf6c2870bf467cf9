"""What every benchmark reports beside its scores, and the tables of the README."""

from __future__ import annotations

import platform
import resource
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from trocr.bench.machine import commit, cpu_name

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PACKAGES = ("torch", "numpy", "pillow", "transformers", "rapidocr", "onnxruntime")


def cpu_seconds() -> float:
    """Of this process and of the children that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def machine(threads: int = 1) -> dict[str, Any]:
    """When, where, and of which commit and packages the numbers are."""
    installed = {distribution.name.lower() for distribution in metadata.distributions()}
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": commit(),
        "cpu": cpu_name(),
        "threads": threads,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES if name in installed},
    }


def between(page: str, begin: str, end: str, table: str) -> str:
    """A page with what is between its two marks replaced by a table."""
    before, begin, rest = page.partition(begin)
    _, end, after = rest.partition(end)
    return f"{before}{begin}\n{table}\n{end}{after}"
