"""What several test files share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trocr.line_image import LineImageProcessor
from trocr.processor import TrOCRProcessor
from trocr.tokenizer import Tokenizer
from trocr.training.config import DataSection, ModelSection, OptimizationSection, TrainingConfig
from trocr.training.loop import build_model

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

TINY_ENCODER = {
    "image_height": 32,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "stem_channels": [4, 4, 8, 8],
}
TINY_DECODER = {
    "d_model": 16,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 16,
    "max_position_embeddings": 24,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not SHARED.is_dir():
        skip = pytest.mark.skip(reason="needs ../shared")
        for item in items:
            if "shared" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def tiny_line_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of our own architecture that knows digits and some letters."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    characters = "0123456789abcdef"
    tokenizer = Tokenizer.from_characters(characters)
    config = TrainingConfig(
        name="tiny",
        data=DataSection(train=()),
        model=ModelSection(characters, TINY_ENCODER, TINY_DECODER),
        optimization=OptimizationSection(max_steps=1),
        folder=folder,
        source="",
    )
    torch.manual_seed(0)
    build_model(config, tokenizer).eval().save_pretrained(folder)
    TrOCRProcessor(LineImageProcessor(), tokenizer).save_pretrained(folder)
    return folder
