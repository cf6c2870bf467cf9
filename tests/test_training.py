import io
import json

import numpy as np
import pytest
import torch
from line_models import CHARACTERS, text_picture

from trocr.errors import CheckpointError, DataError, UsageError
from trocr.labelled_lines import LabelledLine, write_labelled_lines
from trocr.line_image import stack_lines
from trocr.recognizer import load
from trocr.training.augment import augmented_line
from trocr.training.blank import blank_line
from trocr.training.config import DataSection, TrainingConfig
from trocr.training.data import Batch, LineBatches, decode_line, group_of, split_by_group
from trocr.training.loop import CHECKPOINT, Trainer, learning_rate, train
from trocr.training.replicas import Replicas, run_replicas

CONFIG = """
name = "tiny"
[data]
train = ["lines"]
validation_fraction = 0.3
blank_share = 0.1
[model]
characters = {characters}
encoder = {{ hidden_size = 16, num_hidden_layers = 1, num_attention_heads = 2, \
intermediate_size = 32, stem_channels = [4, 6, 8, 8] }}
decoder = {{ d_model = 16, decoder_layers = 1, decoder_attention_heads = 2, \
decoder_ffn_dim = 32, max_position_embeddings = 32 }}
[optimization]
max_steps = {max_steps}
tokens_per_batch = 64
warmup_steps = 2
{extra}
"""


def png(text):
    stream = io.BytesIO()
    text_picture(text).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def lines():
    texts = [f"{i % 7}{i % 5}.{i % 9}" for i in range(40)]
    return [LabelledLine(f"images/r{i // 4}_{i}.png", png(t), t) for i, t in enumerate(texts)]


@pytest.fixture
def configure(tmp_path, lines):
    write_labelled_lines(lines, tmp_path / "lines")

    def write(max_steps, extra=""):
        path = tmp_path / "tiny.toml"
        characters = json.dumps(CHARACTERS)
        path.write_text(CONFIG.format(max_steps=max_steps, characters=characters, extra=extra))
        return TrainingConfig.read(path)

    return write


def weights(run):
    state = torch.load(run / CHECKPOINT, weights_only=True)
    return {**state["model"], **{f"average.{k}": v for k, v in state["average"].items()}}


def assert_equal_weights(first, second, **tolerance):
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], msg=name, **tolerance)


def test_resuming_is_exact(configure, tmp_path, monkeypatch):
    """12 steps at once = 6 steps, killed, 6 more: to the bit."""
    monkeypatch.setattr("trocr.training.loop.CHECKPOINT_EVERY", 6)
    config = configure(12)
    train(Replicas(), config, tmp_path / "whole")

    class KilledError(Exception):
        pass

    trainer = Trainer(config, tmp_path / "halves")
    step = trainer._train_step

    def die_at_seven(batch):
        if trainer.step == 7:
            raise KilledError
        return step(batch)

    trainer._train_step = die_at_seven
    with pytest.raises(KilledError):
        trainer.train()
    torch.manual_seed(99)
    train(Replicas(), config, tmp_path / "halves")
    assert_equal_weights(weights(tmp_path / "whole"), weights(tmp_path / "halves"), rtol=0, atol=0)


def test_a_run_leaves_a_model_that_loads(configure, tmp_path):
    train(Replicas(), configure(3), tmp_path / "run")
    reader = load(tmp_path / "run/model")
    assert len(reader.read_lines([text_picture("12.3")])) == 1
    log = [json.loads(row) for row in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert {"ctc_cer", "ctc_f1", "decoder_accuracy"} <= set(log[-1])
    assert (tmp_path / "run/validation/labels.tsv").exists()


def test_learning_happens(configure, tmp_path):
    trainer = Trainer(configure(60, "learning_rate = 0.01"), tmp_path / "run")
    losses = []
    step = trainer._train_step
    trainer._train_step = lambda batch: losses.append(step(batch)) or losses[-1]
    trainer.train()
    first, last = np.mean(losses[:5], axis=0), np.mean(losses[-5:], axis=0)
    assert (last < 0.8 * first).all()


def test_another_configuration_does_not_resume(configure, tmp_path):
    train(Replicas(), configure(1), tmp_path / "run")
    other = configure(2)
    other.model.encoder["hidden_size"] = 32
    other.model.encoder["intermediate_size"] = 64
    with pytest.raises(CheckpointError, match="another configuration"):
        train(Replicas(), other, tmp_path / "run")


def train_and_keep(replicas, config, run):
    trainer = Trainer(config, run, replicas)
    trainer.train()
    torch.save(dict(trainer.model.named_parameters()), run / f"rank{replicas.rank}.pt")


@pytest.mark.slow
def test_two_processes_learn_one_model(configure, tmp_path):
    """Each sees other lines; averaged gradients keep their weights equal."""
    run_replicas(2, train_and_keep, configure(4), tmp_path / "pair")
    first, second = (torch.load(tmp_path / f"pair/rank{rank}.pt") for rank in range(2))
    assert_equal_weights(first, second, rtol=0, atol=0)
    train_and_keep(Replicas(), configure(4), tmp_path / "alone")
    alone = torch.load(tmp_path / "alone/rank0.pt")
    assert any(not torch.equal(alone[name], first[name]) for name in alone)


def test_learning_rate_schedule(configure):
    section = configure(100, "learning_rate = 0.5\ncooldown_fraction = 0.4").optimization
    rates = [learning_rate(step, section) for step in range(101)]
    assert rates[0] == pytest.approx(0.25)
    assert rates[1] == rates[60] == 0.5
    assert rates[80] == pytest.approx(0.25)
    assert rates[100] == 0


def test_no_group_is_on_both_sides(lines):
    section = DataSection(train=(), validation_fraction=0.3, same_group=(("r1", "r2"),))
    training, validation = split_by_group(lines, section)
    assert len(training) + len(validation) == len(lines)
    groups = [{group_of(line.file) for line in side} for side in (training, validation)]
    assert groups[0]
    assert groups[1]
    assert not groups[0] & groups[1]
    assert all(len({"r1", "r2"} & side) in (0, 2) for side in groups)
    assert split_by_group(lines[::-1], section)[1] == validation[::-1]


def test_excluded_groups_are_gone(lines):
    sides = split_by_group(lines, DataSection(train=(), exclude=("r3",)))
    assert all(group_of(line.file) != "r3" for side in sides for line in side)


def test_every_epoch_has_every_line_once(lines):
    decoded = [decode_line(line, [5]) for line in lines]
    batches = LineBatches(
        decoded, height=32, max_width=256, tokens_per_batch=64, blank_share=0.0, seed=3
    )
    plans = [batches.plan(epoch) for epoch in (0, 1)]
    for plan in plans:
        assert sorted(i for batch in plan for i in batch) == list(range(len(lines)))
    assert plans[0] != plans[1]
    assert plans[0] == batches.plan(0)
    first, second = (batches.batch(0, plans[0][0]) for _ in range(2))
    assert np.array_equal(first.pixel_values, second.pixel_values)


def test_workers_prepare_the_same_batches(lines):
    decoded = [decode_line(line, [5]) for line in lines]
    batches = LineBatches(
        decoded, height=32, max_width=256, tokens_per_batch=128, blank_share=0.1, seed=3
    )
    plan = batches.plan(0)
    for own, ahead in zip(batches.load(0, plan), batches.load(0, plan, workers=1), strict=True):
        assert np.array_equal(own.pixel_values, ahead.pixel_values)
        assert own.token_ids == ahead.token_ids


def test_a_batch_of_blanks_only_can_be_learnt(configure, tmp_path):
    trainer = Trainer(configure(1), tmp_path / "run")
    stacked = stack_lines([np.zeros((32, 40), np.float32)] * 2)
    ctc, decoder = trainer._train_step(Batch(stacked.pixel_values, stacked.pixel_mask, [[], []]))
    assert ctc > 0
    assert decoder > 0


def test_blank_crops_have_no_label(lines):
    decoded = [decode_line(line, [5]) for line in lines]
    batches = LineBatches(
        decoded, height=32, max_width=256, tokens_per_batch=640, blank_share=0.5, seed=3
    )
    labels = [ids for plan in batches.plan(0) for ids in batches.batch(0, plan).token_ids]
    assert 8 < labels.count([]) < 32


def test_distortions_keep_the_line_readable_by_size():
    generator = np.random.default_rng(0)
    picture = text_picture("TOTAL 12.50").convert("L")
    for _ in range(50):
        line = augmented_line(picture, 32, 512, generator)
        assert line.shape[0] == 32
        assert line.dtype == np.float32
        assert np.isfinite(line).all()
        assert 0.5 < line.shape[1] / (picture.width * 32 / picture.height) < 1.6
    for _ in range(50):
        assert blank_line(20, 100, generator).size == (100, 20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data\n", "Cannot read"),
        ('[data]\ntrain = ["a"]\ncolour = 1\n', "colour"),
        ("[data]\nvalidation_fraction = 0.1\n", "train"),
    ],
)
def test_a_bad_configuration_is_a_usage_error(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        TrainingConfig.read(tmp_path / "bad.toml")


def test_missing_data_is_a_data_error(configure, tmp_path):
    config = configure(1)
    (tmp_path / "lines/labels.tsv").unlink()
    with pytest.raises(DataError, match=r"labels\.tsv"):
        train(Replicas(), config, tmp_path / "run")


@pytest.mark.slow
def test_an_error_of_a_replica_is_the_error_of_the_run(configure, tmp_path):
    config = configure(1)
    (tmp_path / "lines/labels.tsv").unlink()
    with pytest.raises(DataError, match=r"labels\.tsv"):
        run_replicas(2, train, config, tmp_path / "run")
