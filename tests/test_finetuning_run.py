"""Fine-tuning, from labelled lines to a model: kept, resumed, adapted, published, refused."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from line_models import CHARACTERS, save_tiny_model, text_picture, tiny_line_model, tiny_processor
from reference_models import IMAGE_SIZE, Variant, randomise, reference_config
from test_tokenizer import byte_level_folder
from training_runs import assert_equal_weights, drawn, log_of, weights

from trocr.checkpoint import read_tensors
from trocr.cli import main
from trocr.cli.finetuning import report
from trocr.errors import UsageError
from trocr.evaluation.predictions import Predictions
from trocr.image_processor import ViTImageProcessor
from trocr.labelled_lines import read_labelled_lines, write_labelled_lines
from trocr.model import VisionEncoderDecoderModel
from trocr.processor import TrOCRProcessor
from trocr.recognizer import load
from trocr.tokenizer import Tokenizer
from trocr.training.finetuning import run as runs
from trocr.training.finetuning import selftest
from trocr.training.finetuning.selftest import learn_by_heart
from trocr.training.finetuning.settings import (
    FinetuningSettings,
    default_optimization,
    read_settings,
)
from trocr.training.finetuning.split import Split
from trocr.training.loop import Trainer
from trocr.training.replicas import Replicas, run_replicas

LINES = drawn([f"AD {i % 7}{i % 5}.{i % 9}" for i in range(20)])
SPLIT = Split(LINES[:16], LINES[16:], "by page")


def settings(steps: int = 4, **chosen: Any) -> FinetuningSettings:
    kind = {key: chosen.pop(key) for key in ("method", "gradient_checkpointing") if key in chosen}
    optimization = {"max_steps": steps, "validate_every": 2, "tokens_per_batch": 64, **chosen}
    method = kind.get("method", "full")
    section = default_optimization(16, 12, line_model=True, method=method, **optimization)
    return FinetuningSettings("tiny", ("lines",), section, **kind)


def begun(run: Path, wanted: FinetuningSettings) -> Path:
    runs.begin(run, wanted, tiny_line_model(), tiny_processor(), SPLIT)
    return run


def test_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    wanted = FinetuningSettings(
        'a "model"', ("eins, zwei", "Ärger\\"), settings().optimization, "bpe", "lora", True
    )
    (tmp_path / "finetuning.toml").write_text(wanted.to_toml(), encoding="utf-8")
    assert read_settings(tmp_path) == wanted
    (tmp_path / "finetuning.toml").write_text("tokenizer = 3\n", encoding="utf-8")
    with pytest.raises(UsageError, match="finetuning"):
        read_settings(tmp_path)


def test_half_of_the_lines_are_new_ones_of_old_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(tmp_path / "run", settings(1))

    def sources() -> list[tuple[str, float]]:
        found, _ = runs.finetuning_plan(run).read_sources()
        return [(type(source).__name__, round(weight, 3)) for source, weight in found]

    assert sources() == [("RealLines", 0.97), ("BlankLines", 0.03)], "the model reads none of them"
    monkeypatch.setattr(runs, "MOST_ERRORS", 1000.0)
    halves = [("RealLines", 0.485), ("RecombinedLines", 0.485), ("BlankLines", 0.03)]
    assert sources() == halves
    monkeypatch.setattr(runs, "MOST_TO_RECOMBINE", 3)
    assert len(sources()) == 2


@pytest.mark.parametrize("method", ["full", "lora", "decoder"])
def test_resuming_is_exact(tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """4 steps at once = 2 steps, killed, 2 more: to the bit."""
    monkeypatch.setattr("trocr.training.loop.CHECKPOINT_EVERY", 2)
    wanted = settings(4, method=method)
    runs.finetune(Replicas(), begun(tmp_path / "whole", wanted))
    halves = begun(tmp_path / "halves", wanted)
    trainer = Trainer(runs.finetuning_plan(halves), halves)
    take = trainer._train_step

    def until_the_third(batches: Any) -> Any:
        if trainer.step == 2:
            raise RuntimeError("killed")
        return take(batches)

    trainer._train_step = until_the_third  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="killed"):
        trainer.train()
    torch.manual_seed(99)
    runs.finetune(Replicas(), halves)
    assert_equal_weights(weights(tmp_path / "whole"), weights(halves))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    run_replicas(2, runs.finetune, begun(tmp_path / "pair", settings(3)))
    lanes = settings(3, gradient_accumulation=2)
    runs.finetune(Replicas(), begun(tmp_path / "one", lanes))
    # AdamW divides by the root of tiny gradients, whose sums differ by their order.
    assert_equal_weights(weights(tmp_path / "pair"), weights(tmp_path / "one"), atol=2e-4)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_torchrun_begins_a_run_once(folder: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "trocr", "finetune", "fast", "lines"]
    command += ["-o", "pair", "--steps", "2"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "pair/model\n"
    assert done.stderr.count("Self-test") == 1
    assert weights(folder / "pair")


def test_what_does_not_learn_stays_as_it_was(tmp_path: Path) -> None:
    start = tiny_line_model().state_dict()
    for method, changes in (("decoder", "decoder."), ("lora", ("q_proj", "fc1"))):
        run = begun(tmp_path / method, settings(2, method=method, learning_rate=0.01, patience=0))
        runs.finetune(Replicas(), run)
        after = read_tensors(run / "model")
        assert after.keys() == read_tensors(run / "start").keys()
        changed = {name for name, tensor in after.items() if not torch.equal(tensor, start[name])}
        assert any(name.startswith(changes) or name.split(".")[-2] in changes for name in changed)
        frozen = [name for name in changed if name.startswith("encoder.stem")]
        assert not frozen
        if method == "decoder":
            assert not {n for n in changed if n.startswith("encoder.") and "ctc_head" not in n}
        assert load(run / "model").read_lines([text_picture("12")])[0].finish_reason


def test_gradient_checkpointing_learns_the_same(tmp_path: Path) -> None:
    both = []
    for wanted in (False, True):
        run = begun(tmp_path / str(wanted), settings(2, gradient_checkpointing=wanted))
        runs.finetune(Replicas(), run)
        both.append(weights(run))
    assert_equal_weights(*both, rtol=1e-5, atol=1e-6)


def test_a_model_never_ends_worse_than_it_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps that ruin it are taken, scored and not kept."""
    cers = iter([5.0, 9.0, 7.0])
    monkeypatch.setattr("trocr.training.loop.validate", lambda *_: ({"cer": next(cers)}, []))
    run = begun(tmp_path / "run", settings(4, learning_rate=0.1))
    runs.finetune(Replicas(), run)
    assert [(row["step"], row["cer"]) for row in log_of(run) if "cer" in row] == [
        (0, 5.0),
        (2, 9.0),
        (4, 7.0),
    ]
    assert_equal_weights(read_tensors(run / "model"), read_tensors(run / "start"))
    assert any(not torch.equal(a, b) for a, b in _changes(run))


def test_a_model_that_reads_worse_in_the_end_gives_way_to_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The CTC head chose it, but the decoder reads."""
    start = save_tiny_model(tmp_path / "tiny")
    run = begun(tmp_path / "run", replace(settings(1), model=str(start)))
    runs.finetune(Replicas(), run)
    tiny_line_model(seed=1).save_pretrained(run / "model")

    def read(model: str | Path, lines: Any) -> Predictions:
        is_start = torch.equal(*(_weight(Path(folder)) for folder in (model, start)))
        return Predictions("one", [line.text + ("" if is_start else "x") for line in lines], None)

    monkeypatch.setattr("trocr.cli.finetuning._read", read)
    monkeypatch.setattr("trocr.training.finetuning.settings.LEAST_TO_CHOOSE", 4)
    report(run)
    assert_equal_weights(read_tensors(run / "model"), read_tensors(run / "start"))
    assert "No line is read otherwise" in capsys.readouterr().err


def _weight(folder: Path) -> torch.Tensor:
    return read_tensors(folder)["encoder.layers.0.fc1.weight"]


def _changes(run: Path) -> Any:
    before, after = read_tensors(run / "start"), weights(run)
    return ((before[name], after[name]) for name in before if name in after)


def published_start(folder: Path) -> tuple[VisionEncoderDecoderModel, TrOCRProcessor]:
    tokenizer = Tokenizer.from_pretrained(byte_level_folder(folder / "tokenizer"))
    decoder = {"vocab_size": len(tokenizer), "max_position_embeddings": 60}
    theirs = randomise(
        transformers.VisionEncoderDecoderModel(reference_config(Variant(decoder=decoder)))
    )
    theirs.save_pretrained(folder / "start")
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    processor = TrOCRProcessor(ViTImageProcessor(size=size), tokenizer)
    return VisionEncoderDecoderModel.from_pretrained(folder / "start"), processor


def test_a_published_model_learns_and_goes_back_to_transformers(tmp_path: Path) -> None:
    model, processor = published_start(tmp_path)
    chosen = {"max_steps": 3, "validate_every": 3, "learning_rate": 0.01, "patience": 0}
    section = default_optimization(16, 4, line_model=False, method="full", **chosen)
    wanted = FinetuningSettings("start", ("lines",), section)
    runs.begin(tmp_path / "run", wanted, model, processor, SPLIT)
    runs.finetune(Replicas(), tmp_path / "run")
    folder = tmp_path / "run/model"
    before, after = (read_tensors(path) for path in (tmp_path / "start", folder))
    assert any(not torch.equal(before[name], after[name]) for name in before)
    pictures = [text_picture(f"AD {i}") for i in range(3)]
    pixel_values = TrOCRProcessor.from_pretrained(folder)(
        [picture.convert("RGB") for picture in pictures], return_tensors="pt"
    ).pixel_values
    theirs = transformers.VisionEncoderDecoderModel.from_pretrained(folder).eval()
    expected = theirs.generate(pixel_values, max_new_tokens=20, num_beams=1, do_sample=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ours = VisionEncoderDecoderModel.from_pretrained(folder)
    ids = ours.generate(pixel_values, max_new_tokens=20, num_beams=1)
    assert ids.tolist() == expected.tolist()
    texts = TrOCRProcessor.from_pretrained(folder).batch_decode(ids, skip_special_tokens=True)
    assert texts == tokenizer.batch_decode(expected, skip_special_tokens=True)


def test_lines_that_cannot_be_learnt_by_heart_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "MAX_STEPS", 1)
    tested = learn_by_heart(tiny_line_model(), tiny_processor(), LINES, settings().optimization)
    assert not tested.passed
    assert {one.truth for one in tested.wrong} <= {line.text for line in LINES}
    assert len(tested.wrong) > 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finetune")
    write_labelled_lines(drawn([f"Total {i} ŵ" for i in range(12)]), folder / "lines")
    return folder


class TestCommand:
    """``trocr finetune`` with the smallest bundled model."""

    @staticmethod
    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        return int(exit_info.value.code or 0)

    def test_from_lines_to_a_model(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        command = ["finetune", "fast", folder / "lines", "-o", folder / "run", "--steps", 3]
        assert self.run(*command) == 0
        said = capsys.readouterr()
        assert said.out == f"{folder / 'run/model'}\n"
        assert "12 lines to learn from" in said.err
        assert "split by page" in said.err
        found = json.loads((folder / "run/check.json").read_text(encoding="utf-8"))
        assert found["train"] + found["validation"] == found["kept"] == 12
        assert "<h2" in (folder / "run/report.html").read_text(encoding="utf-8")
        held_out = list(read_labelled_lines(folder / "run/validation/pages"))
        assert len(held_out) == found["validation"]
        (line,) = load(folder / "run/model").read_lines([held_out[0].image])
        assert line.text.startswith("Total")
        assert self.run(*command) == 0
        assert "Going on" in capsys.readouterr().err

    def test_another_run_has_another_folder(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        runs.begin(folder / "taken", settings(), tiny_line_model(), tiny_processor(), SPLIT)
        assert self.run("finetune", "fast", folder / "lines", "-o", folder / "taken") == 2
        assert "holds a run from tiny" in capsys.readouterr().err
        assert self.run("finetune", "fast", folder / "lines", "-o", folder / "lines") == 2

    def test_a_look_writes_nothing(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = sorted(folder.rglob("*"))
        assert self.run("finetune", "fast", folder / "lines", "--check") == 0
        assert "12 lines to learn from" in capsys.readouterr().err
        assert sorted(folder.rglob("*")) == before

    def test_too_few_lines(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write_labelled_lines(drawn(["12", "13"]), folder / "few")
        model = save_tiny_model(folder / "tiny")
        assert self.run("finetune", model, folder / "few", "-o", folder / "no") == 5
        assert "2 of 2 lines are fit to learn from" in capsys.readouterr().err
        assert not (folder / "no").exists()


def test_characters_are_added(tmp_path: Path) -> None:
    """A character that the vocabulary lacked is one token more, and can be read."""
    from trocr.labelled_lines import LineSet
    from trocr.training.finetuning.prepare import prepare

    lines = drawn([f"{i}ſ{i}" for i in range(12)])
    start = str(save_tiny_model(tmp_path / "tiny"))
    ready = prepare(start, LineSet(lines, [], "drawn"))
    assert len(ready.processor.tokenizer) == 4 + len(CHARACTERS) + 1
    assert ready.model.config.decoder.vocab_size == len(ready.processor.tokenizer)
    kept = prepare(start, LineSet(lines, [], "drawn"), tokenizer="keep")
    assert len(kept.processor.tokenizer) == 4 + len(CHARACTERS)
