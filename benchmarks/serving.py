"""`trocr serve` against a server that reads a request at a time, interleaved; then ten times as
many requests as it can answer.

    python benchmarks/serving.py --lines /tmp/data/sroie-train [--json FILE] [--docs]

Clients, on the same machine, send one line crop a request. Each is a contender's in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from load import HOST, Answer, Load
from report import ROOT, between, machine

from trocr.labelled_lines import read_labelled_lines

PAGE = ROOT / "docs" / "serving.md"
BEGIN, END = "<!-- table of benchmarks/serving.py -->\n", "<!-- end of table -->\n"
CLIENTS = (1, 8, 32)
OVERLOAD = 10  # times the capacity
START_SECONDS = 180.0
MIB = 1 << 20
EVERY_CORE = f"--workers {os.cpu_count()}"
OPTIONS = tuple(dict.fromkeys((EVERY_CORE, "--workers 1", "--workers 1 --batch-size 1")))
OURS, ONE = f"trocr serve {EVERY_CORE}", "one request at a time"
BASELINE = Path(__file__).parent / "one_at_a_time.py"


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    label: str
    process: psutil.Process
    port: int

    @property
    def processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    @property
    def rss(self) -> int:
        """Bytes of all of its processes."""
        return sum(_or_zero(lambda p=p: p.memory_info().rss) for p in self.processes)

    @property
    def cpu_seconds(self) -> float:
        """Of all of its processes."""
        times = [_or_zero(lambda p=p: sum(p.cpu_times()[:2])) for p in self.processes]
        return float(sum(times))


@dataclass(frozen=True)
class Row:
    """What one server did for so many clients, all rounds together."""

    server: str
    clients: int
    requests: int
    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms_per_request: float


def _or_zero(measure: Any) -> Any:
    try:
        return measure()
    except psutil.NoSuchProcess:
        return 0


def commands(model: str) -> dict[str, list[str]]:
    """How each contender is started; the port is added."""
    serve = [str(Path(sys.executable).with_name("trocr")), "serve", "--model", model]
    return {
        **{f"trocr serve {options}": [*serve, *options.split()] for options in OPTIONS},
        ONE: [sys.executable, str(BASELINE), "--model", model],
    }


@contextmanager
def running(label: str, command: Sequence[str], threads: int) -> Iterator[Server]:
    """A server, once it is ready."""
    with socket.create_server((HOST, 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen([*command, "--port", str(port)], env=environment) as process:
        try:
            wait_until_ready(process, port)
            yield Server(label, psutil.Process(process.pid), port)
        finally:
            process.send_signal(signal.SIGTERM)


def wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    """Until ``/readyz`` says so."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    sys.exit(f"{process.args!r} is not ready.")


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share (0-1) of them does not exceed; 0 of none."""
    ranked = sorted(values)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)] if ranked else 0.0


def milliseconds(answers: Sequence[Answer]) -> dict[str, float]:
    """Percentiles of the latency."""
    seconds = [answer.seconds for answer in answers]
    return {f"p{share}_ms": 1000 * percentile(seconds, share / 100) for share in (50, 95, 99)}


def texts_of(answers: Sequence[Answer]) -> dict[int, str]:
    """By the number of the line, of those that were answered."""
    good = (answer for answer in answers if answer.status == 200)
    return {answer.number: json.loads(answer.body)["lines"][0]["text"] for answer in good}


def measure(
    servers: Sequence[Server], loads: dict[str, Load], rounds: int, seconds: float
) -> list[Row]:
    """All contenders at all numbers of clients, in turn; each round begins with another one."""
    answers: dict[tuple[str, int], list[Answer]] = defaultdict(list)
    spent: dict[tuple[str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for turn in range(rounds):
        for clients in CLIENTS:
            first = turn % len(servers)
            for server in (*servers[first:], *servers[:first]):
                cpu, began = server.cpu_seconds, time.perf_counter()
                found = asyncio.run(loads[server.label].closed(clients, seconds))
                took = spent[server.label, clients]
                took[0] += time.perf_counter() - began
                took[1] += server.cpu_seconds - cpu
                answers[server.label, clients] += found
    rows = []
    for (label, clients), found in answers.items():
        if wrong := Counter(answer.status for answer in found if answer.status != 200):
            sys.exit(f"{label}, {clients} clients: answers {dict(wrong)}")
        wall, cpu = spent[label, clients]
        count = len(found)
        latency = milliseconds(found)
        rows.append(
            Row(
                label,
                clients,
                count,
                count / wall,
                **latency,
                cpu_ms_per_request=1000 * cpu / count,
            )
        )
    return rows


class Memory:
    """The most that a server has held while this is open, in bytes."""

    def __init__(self, server: Server) -> None:
        self.before = self.peak = server.rss
        self._server = server
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.2):
            self.peak = max(self.peak, self._server.rss)


def overload(server: Server, load: Load, capacity: float, seconds: float) -> dict[str, Any]:
    """Ten times as many requests as it answers, whatever becomes of them."""
    with Memory(server) as memory:
        began = time.perf_counter()
        answers = asyncio.run(load.open(OVERLOAD * capacity, seconds))
        took = time.perf_counter() - began
    time.sleep(2)
    accepted = [answer for answer in answers if answer.status == 200]
    refused = [answer for answer in answers if answer.status in (429, 503)]
    return {
        "seconds": took,
        "offered_seconds": seconds,
        "offered_per_second": len(answers) / seconds,
        "capacity_per_second": capacity,
        "answers": {str(status): n for status, n in Counter(a.status for a in answers).items()},
        "accepted_per_second": len(accepted) / took,
        **milliseconds(accepted),
        "refused_p99_ms": milliseconds(refused)["p99_ms"],
        "rss_before_mib": memory.before / MIB,
        "rss_peak_mib": memory.peak / MIB,
        "rss_after_mib": server.rss / MIB,
    }


def gains(rows: Sequence[Row]) -> dict[str, float]:
    """How many times the requests a second of each other server, by label, at the most clients."""
    rates = {row.server: row.requests_per_second for row in rows if row.clients == max(CLIENTS)}
    return {label: rates[OURS] / rate for label, rate in rates.items() if label != OURS}


def table(rows: Sequence[Row], facts: dict[str, Any]) -> str:
    """Markdown: a row for each server and number of clients; then where, and what too many do.

    Args:
        facts: of the whole run, as they are stored.
    """
    head = ("clients", "server", "requests/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms a request")
    lines = [head, ("---",) * len(head)]
    for row in sorted(rows, key=lambda row: row.clients):
        latency = (f"{value:.0f}" for value in (row.p50_ms, row.p95_ms, row.p99_ms))
        rate, cpu = f"{row.requests_per_second:.1f}", f"{row.cpu_ms_per_request:.1f}"
        lines.append((str(row.clients), f"`{row.server}`", rate, *latency, cpu))
    text = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    text += (
        f"\nModel `{facts['model']}`, {facts['lines']} lines of {facts['set']}; the same texts: "
        f"{facts['same_percent']:.0f} %. {facts['cores']} cores, with a load of "
        f"{facts['load_average']:.1f}, other work and these clients included.\n"
    )
    return text + (f"\n{too_many(facts['overload'])}\n" if facts["overload"] else "")


def too_many(found: dict[str, Any]) -> str:
    """What `overload` found, in a sentence."""
    answers = ", ".join(f"{n:,} × {code}" for code, n in sorted(found["answers"].items()))
    latency = " / ".join(f"{found[f'p{share}_ms']:.0f}" for share in (50, 95, 99))
    memory = " / ".join(f"{found[f'rss_{when}_mib']:.0f}" for when in ("before", "peak", "after"))
    return (
        f"{found['offered_per_second']:.0f} requests/s, {OVERLOAD} times what it answers, for "
        f"{found['offered_seconds']:.0f} s: {answers}; "
        f"{found['accepted_per_second']:.1f} a second accepted, p50 / p95 / p99 {latency} ms; "
        f"memory of all processes before / at most / after {memory} MiB."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=Path, required=True, help="a labelled set; labels unused")
    parser.add_argument("--limit", type=int, default=64, help="a fixed sample of so many lines")
    parser.add_argument("--model", default="printed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each turn")
    parser.add_argument("--overload-seconds", type=float, default=20.0, help="0: none")
    parser.add_argument("--threads", type=int, default=1, help="of a model")
    parser.add_argument("--json", type=Path, help="also write everything here")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/serving.md")
    given = parser.parse_args()
    lines = read_labelled_lines(given.lines)
    bodies = [line.image for line in random.Random(0).sample(list(lines), given.limit)]
    path = f"/v1/lines?model={given.model}&words=false"
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(label, command, given.threads))
            for label, command in commands(given.model).items()
        ]
        loads = {server.label: Load(server.port, path, bodies) for server in servers}
        texts = [texts_of(asyncio.run(loads[server.label].each(32))) for server in servers]
        same = (
            100 * sum(len({t.get(n) for t in texts}) == 1 for n in range(len(bodies))) / len(bodies)
        )
        rows = measure(servers, loads, given.rounds, given.seconds)
        under_load: dict[str, Any] = {}
        if given.overload_seconds:
            (capacity,) = (
                row.requests_per_second
                for row in rows
                if row.server == OURS and row.clients == max(CLIENTS)
            )
            under_load = overload(servers[0], loads[OURS], capacity, given.overload_seconds)
    facts = {
        **machine(given.threads),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[1],
        "set": given.lines.name.partition(".")[0],
        "lines": given.limit,
        "model": given.model,
        "rounds": given.rounds,
        "seconds": given.seconds,
        "same_percent": same,
        "gains": gains(rows),
        "overload": under_load,
    }
    print(table(rows, facts))
    print(f"{OURS} at {max(CLIENTS)} clients: {facts['gains']} times the requests/s")
    if given.json:
        text = json.dumps({**facts, "rows": [asdict(row) for row in rows]}, indent=2)
        given.json.write_text(text + "\n", encoding="utf-8")
    if given.docs:
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(between(page, BEGIN, END, table(rows, facts)), encoding="utf-8")
    if same < 100:
        sys.exit("The texts differ.")


if __name__ == "__main__":
    main()
