"""Memory of `trocr batch` while it reads many lines: driver and worker, by lines read.

python benchmarks/batch_memory.py --data /tmp/data/sroie-train/images --count 10000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from trocr.distribution import read_status
from trocr.errors import TrOCRError

_SECONDS = 1.0  # between two looks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of line pictures")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--model", default="fast")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = _measured(Path(folder), options)
    print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def _measured(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    chosen = sorted(options.data.iterdir())[: options.count]
    listed, out = folder / "list.txt", folder / "out"
    listed.write_text("".join(f"{path}\n" for path in chosen))
    command = ["trocr", "batch", "--list", str(listed), "-o", str(out), "--lines"]
    command += ["--model", options.model, "--workers", "1", "--unit-size", "250"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    by_done: dict[int, list[int]] = {}
    while process.poll() is None:
        time.sleep(_SECONDS)
        try:
            done, sizes = read_status(out).done, _megabytes(process.pid)
        except (TrOCRError, psutil.Error):
            continue
        if all(sizes):
            by_done[done] = sizes
    rows = [[done, *sizes] for done, sizes in sorted(by_done.items())]
    return {"columns": ["lines read", "driver MB", "worker MB"], "rows": rows}


def _megabytes(driver: int) -> list[int]:
    """Of the driver and of its worker; 0 for one that is not there yet, or any more."""
    process = psutil.Process(driver)
    workers = [each for each in process.children() if "spawn_main" in " ".join(each.cmdline())]
    sizes = [each.memory_info().rss >> 20 for each in (process, *workers)]
    return [*sizes, 0][:2]


if __name__ == "__main__":
    main()
