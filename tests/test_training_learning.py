"""A model learns to read: the whole recipe, small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from line_models import text_picture
from training_runs import configuration, drawn, log_of, prepared

from trocr.labelled_lines import write_labelled_lines
from trocr.recognizer import load
from trocr.training.config import TrainingConfig
from trocr.training.loop import Trainer, train
from trocr.training.plan import configured_plan
from trocr.training.replicas import Replicas


def test_losses_fall(tmp_path: Path) -> None:
    config = configuration(prepared(tmp_path), 60, optimization="learning_rate = 0.01")
    trainer = Trainer(configured_plan(config), tmp_path / "run")
    losses = []
    step = trainer._train_step

    def noted(batches):  # type: ignore[no-untyped-def]
        losses.append(step(batches))
        return losses[-1]

    trainer._train_step = noted  # type: ignore[method-assign]
    trainer.train()
    first, last = (np.mean(part, axis=0)[:2] for part in (losses[:5], losses[-5:]))
    assert (last < 0.8 * first).all()


WIDER = {
    "= 16": "= 64",
    "_size = 32": "_size = 128",
    "[4, 6, 8, 8]": "[8, 16, 24, 32]",
    "dropout = 0.1": "dropout = 0.0",
    "tokens_per_batch = 64": "tokens_per_batch = 256",
    "warmup_steps = 2": "warmup_steps = 40",
}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_line_model_learns_to_read(tmp_path: Path) -> None:
    """Numbers it never saw, in the one face it knows."""
    generator = np.random.default_rng(0)
    texts = ["".join(map(str, generator.integers(0, 10, 4))) for _ in range(400)]
    write_labelled_lines(drawn(texts), tmp_path / "receipts")
    write_labelled_lines(drawn(texts[:40], "x"), tmp_path / "pages")
    schedule = "learning_rate = 0.003\nema_decay = 0.98\nctc_weight = 0.7"
    text = configuration(
        tmp_path, 300, data="curriculum_lines = 30000", optimization=schedule
    ).source
    for narrow, wide in WIDER.items():
        text = text.replace(narrow, wide)
    (tmp_path / "wider.toml").write_text(text)
    train(Replicas(), TrainingConfig.read(tmp_path / "wider.toml"), tmp_path / "run")
    (scores,) = [row for row in log_of(tmp_path / "run") if row.get("set") == "receipts"]
    assert scores["cer"] < 10
    wanted = ["4071", "9382", "5560"]
    read = load(tmp_path / "run/model").read_lines([text_picture(text) for text in wanted])
    assert sum(line.text == text for line, text in zip(read, wanted, strict=True)) >= 2
