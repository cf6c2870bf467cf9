"""Worker processes: what is accepted is always answered, whatever becomes of them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from line_models import text_picture
from pages import bar_page
from serving_processes import CRASHING, MISSING, WELL, scripted
from test_serving_worker import png

from trocr.document import Page
from trocr.errors import CheckpointError
from trocr.serving.messages import (
    Busy,
    Done,
    Event,
    Failed,
    LineOptions,
    LineResults,
    PageRead,
    PageStarted,
    ReadDocument,
    ReadLines,
    Stopping,
    Upload,
)
from trocr.serving.settings import ServeSettings
from trocr.serving.workers import count, pool, process, slot
from trocr.serving.workers.accepted import Accepted
from trocr.serving.workers.pool import Running, WorkerPool

posix = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers are scripted, and those that die are soon started again."""
    monkeypatch.setattr(process, "main", scripted)
    monkeypatch.setattr(slot, "FIRST_DELAY", 0.05)


def task(name: str = "line", content: bytes = b"x") -> ReadLines:
    return ReadLines((Upload(name, content),), LineOptions(WELL))


def settings(**options: Any) -> ServeSettings:
    return ServeSettings(**{"models": (WELL,), "workers": 1, **options})


def run(body: Callable[[WorkerPool], Awaitable[None]], chosen: ServeSettings) -> None:
    async def within() -> None:
        async with WorkerPool(chosen) as pool:
            await body(pool)

    asyncio.run(asyncio.wait_for(within(), 60))


async def all_of(running: Running) -> list[Event]:
    return [event async for event in running]


async def pid_of(running: Running) -> int:
    """Of the worker that answered."""
    results, end = await all_of(running)
    assert isinstance(end, Done)
    assert isinstance(results, LineResults)
    return int(results.results[0].text)


async def end_of(running: Running) -> str:
    end = (await all_of(running))[-1]
    return end.kind if isinstance(end, Failed) else "Done"


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Nobody may have buried it yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.usefixtures("scripts")
def test_tasks_go_to_the_worker_with_the_fewest() -> None:
    async def body(pool: WorkerPool) -> None:
        assert (pool.ready, pool.alive, pool.waiting) == (True, 2, 0)
        stuck = pool.submit(task("never", b"1234"), 60)
        assert (pool.waiting, pool.waiting_bytes) == (1, 4)
        pids = {await pid_of(pool.submit(task(), 60)) for _ in range(3)}
        assert len(pids) == 1
        stuck.cancel()
        await until(lambda: pool.waiting == 0)
        both = [pool.submit(task("slow"), 60) for _ in range(2)]
        assert len({await pid_of(each) for each in both}) == 2
        assert pool.stats.lines == 5

    run(body, settings(workers=2))


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize(("devices", "alive"), [(("cpu",), 3), (("cuda:0", "cuda:1"), 2)])
def test_without_a_gpu_there_are_several_workers(
    monkeypatch: pytest.MonkeyPatch, devices: tuple[str, ...], alive: int
) -> None:
    monkeypatch.setattr(pool, "usual_workers", lambda: 3)

    async def body(pool: WorkerPool) -> None:
        assert pool.alive == alive

    run(body, settings(workers=None, devices=devices))


@pytest.mark.parametrize(
    ("cores", "gib", "workers"), [(1, 64, 1), (3, 64, 3), (64, 64, 4), (8, 4, 2), (8, 1, 1)]
)
def test_how_many_workers_are_usual(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cores: int, gib: int, workers: int
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{gib << 30}\n")
    monkeypatch.setattr(count, "usable_cores", lambda: cores)
    monkeypatch.setattr(count, "_CGROUP", limit)
    monkeypatch.setattr("os.sysconf", lambda name: 1 << 20, raising=False)
    assert count.usual_workers() == workers


@pytest.mark.usefixtures("scripts")
def test_no_more_is_accepted_than_there_is_room_for() -> None:
    async def body(pool: WorkerPool) -> None:
        waiting = [pool.submit(task("never"), 60) for _ in range(3)]
        with pytest.raises(Busy) as error:
            pool.submit(task(), 60)
        assert 1 <= error.value.retry_after <= 60
        for each in waiting:
            each.cancel()
        await until(lambda: pool.waiting == 0)
        large = pool.submit(task("never", bytes(11)), 60)  # alone it is let in
        with pytest.raises(Busy):
            pool.submit(task("line", bytes(1)), 60)
        large.cancel()
        await until(lambda: pool.waiting_bytes == 0)
        assert await end_of(pool.submit(task(), 60)) == "Done"

    run(body, settings(max_waiting=3, max_waiting_bytes=10))


@pytest.mark.usefixtures("scripts")
def test_a_task_ends_at_its_deadline_or_when_it_is_cancelled() -> None:
    async def body(pool: WorkerPool) -> None:
        late, dropped = pool.submit(task("never"), 0.1), pool.submit(task("never"), 60)
        assert await end_of(late) == "Deadline"
        dropped.cancel()
        dropped.cancel()
        assert await end_of(dropped) == "Cancelled"
        await until(lambda: pool.waiting == 0)
        done = pool.submit(task(), 60)
        await asyncio.sleep(0.2)
        done.cancel()  # too late
        assert await end_of(done) == "Done"

    run(body, settings())


@pytest.mark.usefixtures("scripts")
def test_a_worker_that_dies_costs_its_own_tasks_alone() -> None:
    async def body(pool: WorkerPool) -> None:
        names = ("die", "never", "line", "slow")
        first, stuck, same, other = [pool.submit(task(name), 60) for name in names]
        assert await end_of(first) == "WorkerLost"
        assert [await end_of(each) for each in (other, same)] == ["Done", "Done"]
        await until(lambda: pool.alive == 2)
        assert pool.stats.restarts == 2
        assert pool.waiting == 1  # that of the other worker
        assert len({await pid_of(pool.submit(task("slow"), 60)) for _ in range(2)}) == 1
        stuck.cancel()

    run(body, settings(workers=2))


@pytest.mark.usefixtures("scripts")
def test_only_what_kills_its_worker_twice_is_lost() -> None:
    async def body(pool: WorkerPool) -> None:
        names = ("die", "line", "die", "line", "line")
        waiting = [pool.submit(task(name), 60) for name in names]
        late, dropped = pool.submit(task(), 0.05), pool.submit(task(), 60)
        await until(lambda: not pool.ready)
        assert await end_of(late) == "Deadline"
        dropped.cancel()
        assert [await end_of(each) for each in waiting] == [
            "WorkerLost" if name == "die" else "Done" for name in names
        ]
        assert pool.stats.restarts == 3
        await until(lambda: pool.waiting == 0)

    run(body, settings())


@pytest.mark.usefixtures("scripts")
def test_what_waits_for_another_try_is_finished_before_the_end() -> None:
    async def body(pool: WorkerPool) -> None:
        waiting = [pool.submit(task(name), 60) for name in ("die", "line")]
        await until(lambda: pool.alive == 0)
        await pool.stop()
        assert [await end_of(each) for each in waiting] == ["WorkerLost", "Done"]

    run(body, settings())


def test_a_second_try_tells_no_page_twice() -> None:
    async def body() -> None:
        running = Running(lambda: None)
        timer = asyncio.get_running_loop().call_later(60, running.cancel)
        accepted = Accepted(task(), running, timer, lambda: None)
        events = [PageStarted(number, 9, 9, 0) for number in (1, 2)]
        pages = [PageRead(Page(9, 9, (), number=number)) for number in (1, 2)]
        for event in (events[0], pages[0], events[1]):
            accepted.tell(event)
        accepted.tried = True
        for event in (events[0], pages[0], events[1], pages[1], Done()):
            accepted.tell(event)
        told = [events[0], pages[0], events[1], events[1], pages[1], Done()]
        assert await all_of(running) == told
        accepted.let_go()

    asyncio.run(body())


@pytest.mark.usefixtures("scripts")
def test_while_no_worker_is_warm_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot, "FIRST_DELAY", 30.0)

    async def body(pool: WorkerPool) -> None:
        assert await end_of(pool.submit(task("die"), 60)) == "WorkerLost"
        assert (pool.ready, pool.alive) == (False, 0)
        with pytest.raises(Busy):
            pool.submit(task(), 60)

    run(body, settings())


@pytest.mark.usefixtures("scripts")
def test_a_worker_without_a_sign_of_life_is_taken_for_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slot, "SILENT", 0.2)
    monkeypatch.setattr(slot, "CHECK", 0.05)

    async def body(pool: WorkerPool) -> None:
        assert await end_of(pool.submit(task("never"), 60)) == "WorkerLost"

    run(body, settings())


@pytest.mark.usefixtures("scripts")
@pytest.mark.parametrize(("model", "words"), [(MISSING, "no model. Look"), (CRASHING, "code 3")])
def test_a_worker_that_cannot_start_is_an_error(model: str, words: str) -> None:
    async def body(pool: WorkerPool) -> None:
        raise AssertionError

    with pytest.raises(CheckpointError, match=words):
        run(body, settings(models=(model,), workers=2))


@pytest.mark.usefixtures("scripts")
def test_what_was_accepted_is_finished_before_the_end() -> None:
    async def body(pool: WorkerPool) -> None:
        waiting = [pool.submit(task("slow"), 60) for _ in range(4)]
        stopping = asyncio.create_task(pool.stop())
        await asyncio.sleep(0)
        assert (pool.draining, pool.ready) == (True, False)
        with pytest.raises(Stopping):
            pool.submit(task(), 60)
        pids = {await pid_of(each) for each in waiting}
        await stopping
        assert not any(map(is_alive, pids))

    run(body, settings(workers=2))


@pytest.mark.usefixtures("scripts")
def test_the_end_does_not_wait_for_ever() -> None:
    async def body(pool: WorkerPool) -> None:
        waiting = pool.submit(task("never"), 60)
        await pool.stop()
        assert await end_of(waiting) == "WorkerLost"

    run(body, settings(grace_seconds=0.1))


@posix
@pytest.mark.usefixtures("scripts")
def test_signals_to_stop_do_not_reach_the_workers() -> None:
    async def body(pool: WorkerPool) -> None:
        pid = await pid_of(pool.submit(task(), 60))
        waiting = pool.submit(task("slow"), 60)
        for each in (signal.SIGINT, signal.SIGTERM):
            os.kill(pid, each)
        assert await pid_of(waiting) == pid

    run(body, settings())


# From here on, real workers with a real model.

REAL = ServeSettings(models=("fast",), detector="plain", workers=1)
FAST = LineOptions("fast")
TEXTS = ["1", "ABC", "12.50", "0123456789", "A-B", "Total 7", "2024/11/22", "GROSS WEIGHT"]
LINES = [Upload(f"{text[0]}.png", png(text_picture(text))) for text in TEXTS]
SCRIPT = """
import asyncio, sys
from trocr.serving.workers.pool import WorkerPool
from trocr.serving.settings import ServeSettings

async def main():
    pool = WorkerPool(ServeSettings(models=("fast",), detector="plain", workers=1))
    await pool.start()
    print([slot._process._process.pid for slot in pool._slots][0], flush=True)
    await asyncio.sleep({seconds})

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[[float], tuple[subprocess.Popen[str], int]]]:
    """Starts a server of some other process; its worker's number."""
    started: list[subprocess.Popen[str]] = []

    def start(seconds: float) -> tuple[subprocess.Popen[str], int]:
        path = tmp_path / "server.py"
        path.write_text(SCRIPT.format(seconds=seconds))
        server = subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, text=True)
        started.append(server)
        assert server.stdout
        return server, int(server.stdout.readline())

    yield start
    for server in started:
        server.kill()
        server.wait()


async def texts_of(pool: WorkerPool, uploads: list[Upload]) -> list[str]:
    results = (await all_of(pool.submit(ReadLines(tuple(uploads), FAST), 60)))[0]
    assert isinstance(results, LineResults)
    return [each.text for each in results.results]


def test_a_real_worker_reads_and_is_replaced_when_it_is_killed() -> None:
    async def body(pool: WorkerPool) -> None:
        alone = [(await texts_of(pool, [each]))[0] for each in LINES]
        assert len(set(alone)) > 5
        together = await asyncio.gather(*(texts_of(pool, [each]) for each in LINES * 4))
        assert [text for [text] in together] == alone * 4
        await asyncio.sleep(0.6)
        assert pool.stats.lines == len(LINES) * 5
        assert pool.stats.batches < pool.stats.lines

        bad = LineOptions("fast", regex="(")
        end = (await all_of(pool.submit(ReadLines((LINES[0],), bad), 60)))[-1]
        assert isinstance(end, Failed)
        assert end.kind == "UsageError"
        assert await texts_of(pool, LINES[:1]) == alone[:1]

        page = ReadDocument(Upload("page.png", png(bar_page(100, 200))), FAST)
        assert [type(event) for event in await all_of(pool.submit(page, 60))][-2:] == [
            PageRead,
            Done,
        ]

        waiting = [pool.submit(ReadLines(tuple(LINES), FAST), 60) for _ in range(8)]
        worker = pool._slots[0]._process
        assert worker is not None
        worker.kill()
        for each in waiting:  # it was not their fault
            results, _ = await all_of(each)
            assert isinstance(results, LineResults)
            assert [result.text for result in results.results] == alone
        assert pool.stats.restarts == 1

    run(body, REAL)


def test_an_unknown_model_is_an_error_with_a_hint() -> None:
    with pytest.raises(CheckpointError, match=r"Bundled models: .*fast"):
        asyncio.run(WorkerPool(ServeSettings(models=("no/such", "fast"))).start())


@posix
def test_nothing_is_left_of_a_server_that_was_killed(script: Any) -> None:
    server, worker = script(60.0)
    assert is_alive(worker)
    os.kill(server.pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while is_alive(worker):
        assert time.monotonic() < end
        time.sleep(0.05)


@posix
def test_a_process_that_never_stops_its_pool_ends_all_the_same(script: Any) -> None:
    server, worker = script(0.0)
    assert server.wait(20) == 0
    assert not is_alive(worker)
