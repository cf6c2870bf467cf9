"""``trocr optimize draft`` on a tiny checkpoint of the published architecture that really reads."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch
from line_models import text_picture, tiny_recognizer

from trocr.cli import main
from trocr.config import TrOCRConfig, VisionEncoderDecoderConfig, ViTConfig
from trocr.draft_head import CONFIG, WEIGHTS, stored_draft_head
from trocr.errors import DataError, UsageError
from trocr.image_processor import ViTImageProcessor
from trocr.labelled_lines import LabelledLine
from trocr.model import VisionEncoderDecoderModel
from trocr.optimize.draft import DraftedLine, lines_of, train_draft_head
from trocr.processor import TrOCRProcessor
from trocr.recognizer import load
from trocr.tokenizer import Tokenizer

SIZE, STEPS = 32, 350


def numbers(count: int, seed: int) -> list[str]:
    return [f"{value:02}" for value in random.Random(seed).choices(range(100), k=count)]


def untrained_model() -> VisionEncoderDecoderModel:
    torch.manual_seed(0)
    encoder = ViTConfig(
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=128,
        image_size=SIZE,
        patch_size=8,
        initializer_range=0.1,
    )
    decoder = TrOCRConfig(
        vocab_size=14,
        d_model=64,
        decoder_layers=1,
        decoder_attention_heads=4,
        decoder_ffn_dim=96,
        max_position_embeddings=12,
        cross_attention_hidden_size=64,
        decoder_start_token_id=2,
        dropout=0.0,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        encoder, decoder, decoder_start_token_id=2, pad_token_id=1, eos_token_id=2
    )
    model = VisionEncoderDecoderModel(config)
    torch.nn.init.normal_(model.encoder.position_embeddings, std=0.5)
    return model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reads two digits, and writes ``<s>`` before them, as fine-tuned checkpoints do."""
    size = {"height": SIZE, "width": SIZE}
    processor = TrOCRProcessor(
        ViTImageProcessor(size=size), Tokenizer.from_characters("0123456789")
    )
    model = untrained_model().train()
    texts = numbers(500, 1)
    pixels = processor.image_processor(list(map(text_picture, texts)), return_tensors="pt")
    labels = torch.tensor([[0, *processor.tokenizer.encode(text)] for text in texts])
    optimizer = torch.optim.AdamW(model.parameters())
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (step + 1) / 30) * (1 - step / STEPS)
        rows = torch.randint(0, len(texts), (64,))
        loss = model(pixels["pixel_values"][rows], labels=labels[rows], return_dict=True).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    folder = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def labelled(folder: Path, count: int) -> Path:
    (folder / "images").mkdir(parents=True)
    rows = ["file\ttext"]
    for number, text in enumerate(numbers(count, 2)):
        line = LabelledLine.of(str(number), text_picture(text), text)
        (folder / line.file).write_bytes(line.image)
        rows.append(f"{line.file}\t{text}")
    (folder / "labels.tsv").write_text("\n".join(rows))
    return folder


@pytest.mark.slow
def test_a_trained_head_is_mostly_right(checkpoint, tmp_path, capsys):
    data, output = labelled(tmp_path / "data", 200), tmp_path / "faster"
    (data / "images" / "7.png").write_bytes(b"no picture")
    arguments = ["optimize", "draft", str(checkpoint), "--data", str(data), "-o", str(output)]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--steps", "200", "--device", "cpu"])
    printed = capsys.readouterr()
    assert end.value.code == 0, printed.err
    assert "7.png" in printed.err
    assert "held-out drafts accepted" in printed.out
    assert not (checkpoint / CONFIG).exists(), "with -o, the model itself stays as it is"
    measured = json.loads((output / CONFIG).read_text())["acceptance"]
    assert measured["accepted"] > 0.5

    plain, reader = load(checkpoint, device="cpu"), load(output, device="cpu")
    pictures = list(map(text_picture, numbers(100, 3)))
    for batch_size in (1, 32):
        expected = plain.read_lines(pictures, batch_size=batch_size)
        found = reader.read_lines(pictures, batch_size=batch_size)
        assert [r.token_ids for r in found] == [r.token_ids for r in expected]
        assert sum(len(r.text) == 2 for r in found) > 90
    assert reader.drafts.acceptance_rate > 0.5

    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == UsageError.exit_code, "a folder that is there already"


def test_an_interruption_keeps_the_best_so_far(checkpoint, tmp_path):
    reader = load(checkpoint, device="cpu")
    pictures = [LabelledLine.of(text, text_picture(text), text) for text in numbers(40, 4)]
    lines = lines_of(reader, pictures)
    assert {line.text for line in lines} <= {line.text for line in pictures}
    taken = 0

    def interrupted() -> None:
        nonlocal taken
        taken += 1
        if taken == 15:
            raise KeyboardInterrupt

    best = train_draft_head(reader, lines, tmp_path, steps=100, on_step=interrupted)
    assert best.step == 10
    assert stored_draft_head(tmp_path) is not None
    taken = 14
    with pytest.raises(KeyboardInterrupt):
        train_draft_head(reader, lines, tmp_path / "none", steps=100, on_step=interrupted)


def test_minutes_end_the_training(checkpoint, tmp_path):
    reader = load(checkpoint, device="cpu")
    pictures = [LabelledLine.of(text, text_picture(text), text) for text in numbers(40, 5)]
    lines = lines_of(reader, pictures)
    best = train_draft_head(reader, lines, tmp_path, steps=10**6, minutes=0.02)
    assert best.step < 1000
    assert (tmp_path / WEIGHTS).is_file()


def test_what_cannot_be_drafted_for_is_refused(checkpoint, tmp_path, capsys):
    line = DraftedLine(b"", "12", (12, 11))
    with pytest.raises(UsageError, match="CTC head"):
        train_draft_head(tiny_recognizer(), [line] * 20, tmp_path, steps=1)
    with pytest.raises(DataError, match="hundred"):
        train_draft_head(load(checkpoint, device="cpu"), [line], tmp_path, steps=1)
    for model in ("printed", "nobody/nothing"):
        with pytest.raises(SystemExit) as end:
            main(["optimize", "draft", model, "--data", str(tmp_path)])
        assert end.value.code == UsageError.exit_code
        assert model in capsys.readouterr().err
