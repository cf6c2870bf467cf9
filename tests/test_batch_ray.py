"""``trocr.distribution`` on a Ray cluster of this machine: the same shards as everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from batch_runs import (
    POISON,
    killed,
    no_model,
    pages_in,
    plain_bars,
    quarantine,
    run,
    shards,
    texts,
)
from pages import bar_page, pdf_of

from trocr.errors import CheckpointError
from trocr.pipeline import Settings

pytest.importorskip("ray")
pytestmark = pytest.mark.slow


PLAIN = Settings(detector="plain")
LINES = Settings(lines=True)


@pytest.fixture(autouse=True)
def found_by_actors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Actors look for modules in this folder."""
    folder = str(Path(__file__).parent)
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else anything else on the machine goes first
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")]))


def test_a_cluster_makes_what_one_process_makes(tmp_path: Path) -> None:
    scans = pages_in(tmp_path / "scans", 12)
    pdf_of([bar_page(100), bar_page(50, 200)], scans / "three.pdf")
    (scans / "bad.png").write_bytes(b"no picture")
    run(tmp_path / "plain", scans, load=plain_bars, pipeline=PLAIN)
    sizes = {"workers": 1, "finders": 1}
    status = run(tmp_path / "out", scans, load=plain_bars, pipeline=PLAIN, ray="local", **sizes)
    assert shards(tmp_path / "out") == shards(tmp_path / "plain")
    assert (status.done, status.quarantined, status.left) == (13, 1, 0)


def test_two_machines(tmp_path: Path) -> None:
    from ray.cluster_utils import Cluster

    scans = pages_in(tmp_path / "scans", 12)
    run(tmp_path / "plain", scans, load=plain_bars, pipeline=PLAIN)
    machine = {"num_cpus": 1}  # which is what an actor takes: each machine has one of them
    cluster = Cluster(initialize_head=True, head_node_args=machine)
    try:
        cluster.add_node(**machine)
        where = {"ray": cluster.address, "workers": 1, "finders": 1}
        run(tmp_path / "out", scans, load=plain_bars, pipeline=PLAIN, **where)
    finally:
        cluster.shutdown()
    assert shards(tmp_path / "out") == shards(tmp_path / "plain")


def test_a_model_that_cannot_be_loaded(tmp_path: Path) -> None:
    scans = pages_in(tmp_path / "scans", 2)
    with pytest.raises(CheckpointError, match=r"No such model\. Choose another\."):
        run(tmp_path / "out", scans, load=no_model, pipeline=LINES, ray="local", workers=1)


def test_what_kills_actors_is_isolated(tmp_path: Path) -> None:
    scans = pages_in(tmp_path / "scans", 6)
    bar_page(POISON, size=(500, 200)).save(scans / "page 2b.png")
    run(tmp_path / "out", scans, load=killed, pipeline=LINES, ray="local", workers=1)
    assert list(quarantine(tmp_path / "out")) == [str(scans / "page 2b.png")]
    assert texts(tmp_path / "out") == {f"page {n}.png": str(10 * (n + 2)) for n in range(6)}
