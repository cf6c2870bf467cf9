"""A tiny run: drawn lines of digits, a configuration, what a run left behind."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from line_models import CHARACTERS, text_picture
from PIL import Image

from trocr.labelled_lines import LabelledLine, write_labelled_lines
from trocr.training.config import TrainingConfig
from trocr.training.recombine import Piece

CONFIG = """
name = "tiny"
[data]
blank_weight = 0.1
lines_per_chunk = 24
{data}
[[data.sets]]
name = "receipts"
path = "receipts"
validation_fraction = 0.3
{first_set}
[[data.sets]]
name = "pages"
path = "pages"
weight = 0.5
validation_fraction = 0.3
case_blind = true
[model]
characters = {characters}
encoder = {{ hidden_size = 16, num_hidden_layers = 1, num_attention_heads = 2, \
intermediate_size = 32, stem_channels = [4, 6, 8, 8] }}
decoder = {{ d_model = 16, decoder_layers = 1, decoder_attention_heads = 2, \
decoder_ffn_dim = 32, max_position_embeddings = 32, dropout = 0.1 }}
{model}
[optimization]
max_steps = {max_steps}
tokens_per_batch = 64
warmup_steps = 2
{optimization}
"""


def uncut(pictures: Sequence[Image.Image], texts: Sequence[str]) -> list[tuple[Piece, ...]]:
    """A ``Cutter`` that knows no line."""
    return [()] * len(pictures)


def drawn(texts: list[str], name: str = "r", group_size: int = 4) -> list[LabelledLine]:
    """A line picture for each text, so many to a group; names of groups begin with ``name``."""
    return [
        LabelledLine(f"images/{name}{i // group_size}_{i}.png", _png(text), text)
        for i, text in enumerate(texts)
    ]


def _png(text: str) -> bytes:
    stream = io.BytesIO()
    text_picture(text).save(stream, "PNG")
    return stream.getvalue()


def prepared(folder: Path) -> Path:
    """``folder`` with the two sets that ``configuration`` names."""
    write_labelled_lines(drawn([f"{i % 7}{i % 5}.{i % 9}" for i in range(40)]), folder / "receipts")
    write_labelled_lines(drawn([f"AD{i % 4} /{i}" for i in range(40)], "x"), folder / "pages")
    return folder


def configuration(folder: Path, max_steps: int, **parts: str) -> TrainingConfig:
    """``parts``: TOML for the places of ``CONFIG`` that are named so."""
    path = folder / "tiny.toml"
    places = dict.fromkeys(("data", "first_set", "model", "optimization"), "") | parts
    characters = json.dumps(CHARACTERS + "abcdefghij")
    path.write_text(CONFIG.format(max_steps=max_steps, characters=characters, **places))
    return TrainingConfig.read(path)


def weights(run: Path) -> dict[str, Any]:
    """The tensors of a checkpoint, trained and averaged."""
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    return {**state["model"], **{f"average.{k}": v for k, v in state["average"].items()}}


def assert_equal_weights(
    first: dict[str, Any], second: dict[str, Any], rtol: float = 0, atol: float = 0
) -> None:
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], msg=name, rtol=rtol, atol=atol)


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(row) for row in (run / "log.jsonl").read_text().splitlines()]
