"""The same lines through `trocr batch`: one worker, two, and Ray, in turns; do they agree, how fast
are they, and does the capacity model of docs/batch.md foretell it?

    python benchmarks/batch.py --data /tmp/data/sroie-train/images --count 2000 --json result.json
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

MODEL = "fast"


@dataclass
class Measured:
    """One way to run: seconds of each round on the clock and of all cores, and a digest of what
    was read, the same for all that agree."""

    label: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    digests: set[str] = field(default_factory=set)

    def add(self, out: Path, command: list[str]) -> None:
        """Run once, from nothing."""
        before, began = _children(), time.perf_counter()
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
        done = subprocess.run([*command, "-o", str(out)], env=environment, capture_output=True)
        if done.returncode:
            sys.exit(done.stderr.decode())
        self.wall.append(time.perf_counter() - began)
        self.cpu.append(_children() - before)
        self.digests.add(_digest(out))

    def row(self, lines: int) -> dict[str, Any]:
        """Medians, for JSON; without CPU seconds of Ray, whose processes are not our children."""
        row: dict[str, Any] = {"label": self.label, "wall": _rounded(self.wall)}
        row["lines_per_second"] = round(lines / median(self.wall), 2)
        if not self.label.startswith("Ray"):
            row["cpu"] = _rounded(self.cpu)
            row["lines_per_second_of_cpu"] = round(lines / median(self.cpu), 2)
        return row


def _rounded(seconds: list[float]) -> list[float]:
    return [round(each, 2) for each in seconds]


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _digest(out: Path) -> str:
    """Of all records, in the order of their names."""
    rows = sorted(row for shard in out.glob("shards/*.jsonl") for row in shard.open("rb"))
    return hashlib.sha256(b"".join(rows)).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of line pictures")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ray", action="store_true", help="a Ray cluster takes its turns too")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = _measured(Path(folder), options)
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def _measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    chosen = sorted(options.data.iterdir())[: options.count]
    listed = folder / "list.txt"
    listed.write_text("".join(f"{path}\n" for path in chosen))
    common = ["trocr", "batch", "--list", str(listed), "--lines", "--model", MODEL]
    common += ["--dtype", "float32", "--unit-size", "128"]
    ways = [(f"{n} workers", ["--workers", str(n)]) for n in (1, 2)]
    if options.ray:
        ways.append(("Ray, 1 + 1 actors", ["--ray", "local", "--workers", "1", "--finders", "1"]))
    found = [Measured(label) for label, _ in ways]
    load = os.getloadavg()
    for turn in range(options.rounds):
        for at in range(len(ways)):
            number = (at + turn) % len(ways)
            out = folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            found[number].add(out, [*common, *ways[number][1]])
    one, two = found[0], found[1]
    return {
        "what": f"{len(chosen)} lines of {options.data.parent.name}, from nothing",
        "model": f"{MODEL}, float32",
        "identical": len(set.union(*(each.digests for each in found))) == 1,
        "rows": [each.row(len(chosen)) for each in found],
        "scaling_efficiency_by_the_clock": round(median(one.wall) / median(two.wall) / 2, 3),
        "scaling_efficiency_by_cpu_seconds": round(median(one.cpu) / median(two.cpu), 3),
        "cores": os.cpu_count(),
        "load_average_before_and_after": [load[0], os.getloadavg()[0]],
    }


if __name__ == "__main__":
    main()
