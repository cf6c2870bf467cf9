"""A run: resumed, stopped, watched."""

from __future__ import annotations

import base64
import itertools
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from line_models import text_picture
from training_runs import assert_equal_weights, configuration, log_of, prepared, weights

from trocr.checkpoint import read_tensors
from trocr.errors import CheckpointError, DataError, UsageError
from trocr.labelled_lines import read_labelled_lines
from trocr.recognizer import load
from trocr.training.config import TrainingConfig
from trocr.training.loop import Trainer, train
from trocr.training.plan import configured_plan
from trocr.training.replicas import Replicas


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return prepared(tmp_path)


class KilledError(Exception):
    """Stands for a power cut."""


def run_until(trainer: Trainer, step: int, then: Any) -> None:
    """Train, but call ``then`` when ``step`` is to be taken."""
    take = trainer._train_step

    def wrapped(batches: Any) -> Any:
        if trainer.step == step:
            then()
        return take(batches)

    trainer._train_step = wrapped  # type: ignore[method-assign]
    trainer.train()


def die() -> None:
    raise KilledError


@pytest.mark.parametrize(
    ("workers", "optimizer"), [(0, "muon = false"), (1, "muon = false"), (0, "muon = true")]
)
def test_resuming_is_exact(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workers: int, optimizer: str
) -> None:
    """12 steps at once = 6 steps, killed, 6 more: to the bit."""
    monkeypatch.setattr("trocr.training.loop.CHECKPOINT_EVERY", 6)
    config = configuration(folder, 12, optimization=f"gradient_accumulation = 2\n{optimizer}")
    train(Replicas(), config, folder / "whole")
    assert float(torch.tensor(1e-40) * 1) > 0, "the caller's arithmetic is as it was"
    with pytest.raises(KilledError):
        run_until(Trainer(configured_plan(config), folder / "halves", workers=workers), 8, die)
    torch.manual_seed(99)
    train(Replicas(), config, folder / "halves", workers)
    assert_equal_weights(weights(folder / "whole"), weights(folder / "halves"))
    steps = [row["step"] for row in log_of(folder / "halves") if "ctc_loss" in row]
    assert steps == [12]


def test_what_was_logged_after_the_checkpoint_is_logged_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trocr.training.loop.CHECKPOINT_EVERY", 3)
    monkeypatch.setattr("trocr.training.loop.LOG_EVERY", 1)
    config = configuration(folder, 6)
    with pytest.raises(KilledError):
        run_until(Trainer(configured_plan(config), folder / "run"), 5, die)
    assert [row["step"] for row in log_of(folder / "run")] == [1, 2, 3, 4, 5]
    train(Replicas(), config, folder / "run")
    steps = [row["step"] for row in log_of(folder / "run") if "ctc_loss" in row]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_an_interrupted_run_keeps_the_step_it_was_at(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = configuration(folder, 6)
    train(Replicas(), config, folder / "whole")
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_until(
            Trainer(configured_plan(config), folder / "run"),
            2,
            lambda: os.kill(os.getpid(), signal.SIGINT),
        )
    assert signal.getsignal(signal.SIGINT) == before
    assert "Stopped at step 3; the same command goes on" in capsys.readouterr().err
    assert not (folder / "run/model").exists()
    train(Replicas(), config, folder / "run")
    assert_equal_weights(weights(folder / "whole"), weights(folder / "run"))


def test_a_run_leaves_a_model_and_what_it_watched(folder: Path) -> None:
    train(Replicas(), configuration(folder, 3), folder / "run")
    (result,) = load(folder / "run/model").read_lines([text_picture("12.3")])
    assert result.finish_reason
    losses, receipts, pages = log_of(folder / "run")
    assert losses["step"] == 3
    assert losses["lines_per_second"] > 0
    assert 0 < losses["learning_rate"] <= 1e-3
    assert losses["gradient_norm"] > 0
    assert [receipts["set"], pages["set"]] == ["receipts", "pages"]
    for scores in (receipts, pages):
        assert scores["cer"] > 0
        assert 0 <= scores["decoder_accuracy"] <= 100
    held_out = list(read_labelled_lines(folder / "run/validation/pages"))
    page = (folder / "run/worst/pages.html").read_text(encoding="utf-8")
    assert len(held_out) == 16
    assert all(line.text in page for line in held_out)  # an untrained model reads none right
    assert page.count("<section>") == 16
    first_picture = page.partition("base64,")[2].partition('"')[0]
    assert base64.b64decode(first_picture).startswith(b"\x89PNG")
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = events.EventAccumulator(str(folder / "run/tensorboard")).Reload()
    (loss,) = accumulator.Scalars("training/ctc_loss")
    assert (loss.step, loss.value) == (3, pytest.approx(losses["ctc_loss"]))
    assert accumulator.Scalars("pages/cer")


def test_a_finished_run_stays_as_it_is(folder: Path) -> None:
    config = configuration(folder, 2)
    train(Replicas(), config, folder / "run")
    log = log_of(folder / "run")
    before = weights(folder / "run")
    train(Replicas(), config, folder / "run")
    assert log_of(folder / "run") == log
    assert_equal_weights(weights(folder / "run"), before)


def test_a_run_ends_with_its_minutes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that takes a second a step: the schedule falls to its end in 29 of them."""
    clock = SimpleNamespace(monotonic=itertools.count(0.0).__next__)
    monkeypatch.setattr("trocr.training.loop.time", clock)
    monkeypatch.setattr("trocr.training.loop.LOG_EVERY", 1)
    config = configuration(folder, 100_000)
    trainer = Trainer(configured_plan(config), folder / "run", minutes=0.5)
    trainer.train()
    assert trainer.step == 29
    rates = [row["learning_rate"] for row in log_of(folder / "run") if "learning_rate" in row]
    assert rates[1] == 1e-3
    assert rates[2:] == sorted(rates[2:], reverse=True)
    assert rates[-1] < 2e-5
    again = Trainer(configured_plan(config), folder / "run", minutes=0.5)
    again.train()
    assert again.step == 29


def test_patience_ends_a_run_with_its_best_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cers = iter([50.0, 40.0, 45.0, 41.0, 30.0])
    monkeypatch.setattr("trocr.training.loop.validate", lambda *_: ({"cer": next(cers)}, []))
    one_set = "validation_fraction = 0.0\n"
    config = configuration(
        folder, 100, optimization="patience = 2\nvalidate_every = 2", first_set=""
    )
    text = config.source.replace("validation_fraction = 0.3", one_set, 1)
    (folder / "tiny.toml").write_text(text)
    config = type(config).read(folder / "tiny.toml")
    trainer = Trainer(configured_plan(config), folder / "run")
    saved = []
    save = trainer.save_model
    monkeypatch.setattr(trainer, "save_model", lambda: saved.append(trainer.step) or save())
    trainer.train()
    assert trainer.step == 8
    assert saved == [2, 4]
    assert [row["cer"] for row in log_of(folder / "run") if "set" in row] == [50, 40, 45, 41]


def test_another_configuration_does_not_resume(folder: Path) -> None:
    train(Replicas(), configuration(folder, 1), folder / "run")
    other = configuration(folder, 2)
    other.model.encoder["hidden_size"] = 32
    other.model.encoder["intermediate_size"] = 64
    with pytest.raises(CheckpointError, match="another configuration"):
        train(Replicas(), other, folder / "run")
    more = configuration(folder, 2, optimization="gradient_accumulation = 2")
    with pytest.raises(CheckpointError, match="1 batches a step, this run 2"):
        train(Replicas(), more, folder / "run")


def test_muon_without_its_torch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(UsageError, match=r"no Muon.*2\.9"):
        Trainer(
            configured_plan(configuration(folder, 1, optimization="muon = true")), folder / "run"
        )


def test_muon_resumes_no_run_of_adamw(folder: Path) -> None:
    train(Replicas(), configuration(folder, 1), folder / "run")
    with pytest.raises(CheckpointError, match="Cannot resume"):
        train(Replicas(), configuration(folder, 2, optimization="muon = true"), folder / "run")


def test_missing_data_is_a_data_error(folder: Path) -> None:
    (folder / "pages/labels.tsv").unlink()
    with pytest.raises(DataError, match=r"labels\.tsv"):
        train(Replicas(), configuration(folder, 1), folder / "run")


def test_a_model_keeps_the_beams_of_its_configuration(folder: Path) -> None:
    train(Replicas(), configuration(folder, 1, model="num_beams = 3"), folder / "run")
    assert load(folder / "run/model").num_beams == 3


def test_a_run_starts_from_the_weights_of_a_model(folder: Path) -> None:
    train(Replicas(), configuration(folder, 2), folder / "run")
    config = configuration(folder, 1, model='start_from = "run/model"')
    trainer = Trainer(configured_plan(config), folder / "next")
    averaged = {
        name[len("average.") :]: tensor
        for name, tensor in weights(folder / "run").items()
        if name.startswith("average.")
    }
    assert_equal_weights(dict(trainer.model.state_dict()), averaged)
    assert_equal_weights(dict(trainer.average.state_dict()), averaged)


def test_a_flatter_model_starts_from_some_layers(folder: Path) -> None:
    source = configuration(folder, 1).source
    deep = source.replace("num_hidden_layers = 1", "num_hidden_layers = 4")
    (folder / "deep.toml").write_text(deep)
    train(Replicas(), TrainingConfig.read(folder / "deep.toml"), folder / "run")
    flat = source.replace("num_hidden_layers = 1", "num_hidden_layers = 2")
    (folder / "flat.toml").write_text(flat.replace("[model]", '[model]\nstart_from = "run/model"'))
    taken = configured_plan(TrainingConfig.read(folder / "flat.toml")).model.state_dict()
    whole = read_tensors(folder / "run/model")
    for layer, source_layer in ((0, 1), (1, 3)):
        name = f"encoder.layers.{layer}.fc1.weight"
        assert torch.equal(taken[name], whole[f"encoder.layers.{source_layer}.fc1.weight"])
    assert torch.equal(taken["encoder.norm.weight"], whole["encoder.norm.weight"])


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("ABCDEFGHIJ", "ABCDEFGHIK", CheckpointError, "another vocabulary"),
        ("intermediate_size = 32", "intermediate_size = 48", CheckpointError, "another shape"),
        ('"run/model"', '"nowhere"', CheckpointError, "nowhere"),
        ("decoder_layers", "layers", UsageError, "layers"),
    ],
)
def test_what_a_run_cannot_start_from(
    folder: Path, old: str, new: str, error: type[Exception], message: str
) -> None:
    train(Replicas(), configuration(folder, 1), folder / "run")
    config = configuration(folder, 1, model='start_from = "run/model"')
    assert old in config.source
    (folder / "other.toml").write_text(config.source.replace(old, new))
    with pytest.raises(error, match=message):
        configured_plan(type(config).read(folder / "other.toml"))
