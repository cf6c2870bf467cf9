"""A model learns to read: the whole recipe, small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from line_models import text_picture
from training_runs import configuration, drawn, log_of, prepared

from trocr.labelled_lines import write_labelled_lines
from trocr.recognizer import load
from trocr.training.loop import Trainer, train
from trocr.training.replicas import Replicas


def test_losses_fall(tmp_path: Path) -> None:
    trainer = Trainer(
        configuration(prepared(tmp_path), 60, optimization="learning_rate = 0.01"), tmp_path / "run"
    )
    losses = []
    step = trainer._train_step

    def noted(batches):  # type: ignore[no-untyped-def]
        losses.append(step(batches))
        return losses[-1]

    trainer._train_step = noted  # type: ignore[method-assign]
    trainer.train()
    first, last = (np.mean(part, axis=0)[:2] for part in (losses[:5], losses[-5:]))
    assert (last < 0.8 * first).all()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_line_model_learns_to_read(tmp_path: Path) -> None:
    """Numbers it never saw, in the one face it knows."""
    generator = np.random.default_rng(0)
    texts = ["".join(map(str, generator.integers(0, 10, 4))) for _ in range(400)]
    write_labelled_lines(drawn(texts), tmp_path / "receipts")
    write_labelled_lines(drawn(texts[:40], "x"), tmp_path / "pages")
    text = configuration(
        tmp_path,
        400,
        data="curriculum_lines = 2000",
        optimization="learning_rate = 0.005\nema_decay = 0.98\nctc_weight = 0.7",
    ).source
    wider = text.replace("= 16", "= 48").replace("_size = 32", "_size = 96")
    wider = wider.replace("stem_channels = [4, 6, 8, 8]", "stem_channels = [8, 12, 16, 16]")
    wider = wider.replace("tokens_per_batch = 64", "tokens_per_batch = 256")
    (tmp_path / "wider.toml").write_text(wider.replace("warmup_steps = 2", "warmup_steps = 40"))
    from trocr.training.config import TrainingConfig

    train(Replicas(), TrainingConfig.read(tmp_path / "wider.toml"), tmp_path / "run")
    scores = [row["ctc_cer"] for row in log_of(tmp_path / "run") if row.get("set") == "receipts"]
    assert scores[-1] < 10
    reader = load(tmp_path / "run/model")
    wanted = ["4071", "9382", "5560"]
    read = reader.read_lines([text_picture(text) for text in wanted])
    assert sum(line.text == text for line, text in zip(read, wanted, strict=True)) >= 2
