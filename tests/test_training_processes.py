"""Runs of several processes: they learn what one process with as many lanes learns."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from training_runs import assert_equal_weights, configuration, log_of, prepared, weights

from trocr.errors import DataError
from trocr.training.config import TrainingConfig
from trocr.training.loop import Trainer, train
from trocr.training.plan import configured_plan
from trocr.training.replicas import Replicas, run_replicas

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
LOSSES = ("ctc_loss", "decoder_loss", "gradient_norm", "learning_rate")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prepared(tmp_path)


def train_and_keep(replicas: Replicas, config: TrainingConfig, run: Path) -> None:
    """A run that logs every step, and keeps every process's weights and last gradients."""
    import trocr.training.loop as loop

    loop.LOG_EVERY = 1
    trainer = Trainer(configured_plan(config), run, replicas)
    trainer.train()
    parameters = dict(trainer.model.named_parameters())
    gradients = {f"{name}.grad": p.grad for name, p in parameters.items()}
    torch.save({**parameters, **gradients}, run / f"rank{replicas.rank}.pt")


def kept(run: Path, rank: int) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(run / f"rank{rank}.pt")
    return state


def test_two_processes_are_one_with_two_lanes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses and gradients to 1e-5, dropout and noise included, and one model in both."""
    monkeypatch.setattr("trocr.training.loop.LOG_EVERY", 1)
    run_replicas(2, train_and_keep, configuration(folder, 4), folder / "pair")
    assert_equal_weights(kept(folder / "pair", 0), kept(folder / "pair", 1))
    two_lanes = configuration(folder, 4, optimization="gradient_accumulation = 2")
    train_and_keep(Replicas(), two_lanes, folder / "one")
    pair, one = (
        [row for row in log_of(folder / run) if "ctc_loss" in row] for run in ("pair", "one")
    )
    assert len(pair) == 4
    for ours, theirs in zip(pair, one, strict=True):
        for key in LOSSES:
            assert ours[key] == pytest.approx(theirs[key], rel=1e-5), key
    pair_kept, one_kept = kept(folder / "pair", 0), kept(folder / "one", 0)
    norm = torch.cat([one_kept[name].flatten() for name in one_kept if "grad" in name]).norm()
    for name in one_kept:
        if name.endswith(".grad"):
            assert (pair_kept[name] - one_kept[name]).norm() < 1e-5 * norm, name


def test_a_run_goes_on_with_its_lanes_in_other_processes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes, resumed by one with two lanes: the same lines are next."""
    run_replicas(2, train, configuration(folder, 2), folder / "run")
    steps = torch.load(folder / "run/checkpoint.pt", weights_only=True)
    assert [chunk for chunk, _ in steps["positions"]] == [0, 1]
    more = configuration(folder, 4, optimization="gradient_accumulation = 2")
    train(Replicas(), more, folder / "run")
    assert log_of(folder / "run")[-1]["step"] == 4


def test_an_error_of_a_replica_is_the_error_of_the_run(folder: Path) -> None:
    config = configuration(folder, 1)
    (folder / "pages/labels.tsv").unlink()
    with pytest.raises(DataError, match=r"labels\.tsv") as caught:
        run_replicas(2, train, config, folder / "run")
    assert caught.value.hint


def test_torchrun_starts_the_command_line(folder: Path) -> None:
    """The same weights as --processes."""
    config = configuration(folder, 3)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "trocr", "train", "tiny.toml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{Path('runs/tiny/model')}\n"
    run_replicas(2, train, config, folder / "processes")
    assert_equal_weights(weights(folder / "runs/tiny"), weights(folder / "processes"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_ends_them_after_a_checkpoint(folder: Path, number: int) -> None:
    """As a terminal and ``timeout`` send it, workers included."""
    configuration(folder, 100_000)
    command = [sys.executable, "-m", "trocr", "train", str(folder / "tiny.toml"), "--workers", "1"]
    command += ["--run", str(folder / "run"), "--processes", "2"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert running.stderr
    while not (folder / "run/log.jsonl").exists() and running.poll() is None:
        time.sleep(0.1)
    os.killpg(running.pid, number)
    assert running.wait() == 130
    assert "Stopped at step" in running.stderr.read()
    state = torch.load(folder / "run/checkpoint.pt", weights_only=True)
    assert state["step"] >= 50
