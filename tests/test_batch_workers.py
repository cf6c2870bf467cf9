"""``trocr.distribution`` with processes of its own: the same records, whoever is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from batch_runs import (
    POISON,
    bars,
    broken,
    no_model,
    pages_in,
    poison,
    quarantine,
    records,
    run,
    shards,
    slow_bars,
    texts,
)
from pages import bar_page

from trocr.distribution import read_status
from trocr.errors import CheckpointError, OutputError, TrOCRError, UsageError

DRIVER = """
import sys
from batch_runs import run, slow_bars
if __name__ == "__main__":
    run(__import__("pathlib").Path(sys.argv[1]), *sys.argv[2:], load=slow_bars, workers=2)
"""


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pages_in(tmp_path_factory.mktemp("in") / "scans", 40)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, scans: Path) -> dict[str, bytes]:
    """What a single process makes of the scans."""
    out = tmp_path_factory.mktemp("out")
    run(out, scans)
    return shards(out)


def driver(tmp_path: Path, out: Path, scans: Path) -> subprocess.Popen[bytes]:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    return subprocess.Popen(
        [sys.executable, str(script), str(out), str(scans)],
        env=environment,
        stderr=subprocess.PIPE,
    )


def workers_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Processes that read for a driver."""
    try:
        children = psutil.Process(process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    except psutil.Error:
        return []


def wait_for_shards(out: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 100
    while len(shards(out)) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


def test_two_processes_make_what_one_makes(
    scans: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    status = run(tmp_path / "out", scans, workers=2)
    assert shards(tmp_path / "out") == undisturbed
    assert (status.done, status.left) == (40, 0)


def test_what_kills_workers_is_isolated(tmp_path: Path) -> None:
    scans = pages_in(tmp_path / "scans", 6)
    bar_page(POISON, size=(500, 200)).save(scans / "page 2b.png")
    status = run(tmp_path / "out", scans, load=poison, workers=1)
    assert quarantine(tmp_path / "out") == {
        str(scans / "page 2b.png"): "It killed its worker twice."
    }
    assert texts(tmp_path / "out") == {f"page {n}.png": str(10 * (n + 2)) for n in range(6)}
    assert (status.done, status.quarantined, status.left) == (6, 1, 0)


def test_a_killed_driver(scans: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = driver(tmp_path, out, scans)
    wait_for_shards(out, 2, process)
    children = workers_of(process)
    with pytest.raises(UsageError, match="is going on"):
        run(out, scans)
    assert read_status(out).going_on
    process.kill()
    process.wait()
    assert children
    psutil.wait_procs(children, timeout=20)
    assert not any(child.is_running() for child in children)
    status = read_status(out)
    assert (status.going_on, status.last) == (False, "cut off")
    assert status.done + status.left + status.quarantined == status.entries
    run(out, scans, load=bars, workers=0)
    assert shards(out) == undisturbed


def test_sigterm_ends_a_run(scans: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = driver(tmp_path, out, scans)
    wait_for_shards(out, 1, process)
    process.terminate()
    assert process.wait(20) != 0
    assert read_status(out).last == "interrupted"
    run(out, scans, load=bars, workers=0)
    assert shards(out) == undisturbed


def dying(device: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_breaks_everything_puts_nothing_in_quarantine(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(TrOCRError, match="File after file cannot be read: KeyError: 'bug'"):
        run(tmp_path / "out", scans, load=broken, workers=1)
    assert read_status(tmp_path / "out").left == 40


def test_workers_that_cannot_start(scans: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"No such model\. Choose another\."):
        run(tmp_path / "out", scans, load=no_model, workers=1)
    with pytest.raises(TrOCRError, match="workers died while they loaded"):
        run(tmp_path / "out", scans, load=dying, workers=1)


def test_an_output_that_cannot_be_written(scans: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shards").write_text("no folder")
    with pytest.raises(OutputError, match="shards"):
        run(tmp_path / "out", scans, workers=1)


@pytest.mark.slow
def test_chaos(scans: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    """Workers and drivers are killed at random times until the run is complete."""
    out, chance = tmp_path / "out", random.Random(7)
    for killing in range(12):
        process = driver(tmp_path, out, scans)
        deadline = time.monotonic() + chance.uniform(4, 9)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(chance.uniform(0.3, 1.5))
            for worker in chance.sample(workers_of(process), k=min(1, len(workers_of(process)))):
                worker.kill()
        if process.poll() is None:
            process.kill()
        process.wait()
        status = read_status(out)
        assert status.done + status.quarantined + status.left == status.entries
        assert len(records(out)) >= status.done
        if killing > 3 and status.listed and not status.left:
            break
    run(out, scans, load=slow_bars, workers=0, retry=True)
    assert shards(out) == undisturbed
