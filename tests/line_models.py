"""A tiny untrained line model and pictures of text for it to look at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from trocr.config import LineEncoderConfig, TrOCRConfig, VisionEncoderDecoderConfig
from trocr.flow import Flow
from trocr.hybrid import EncodedLines, Found, HybridDecoder
from trocr.line_image import LineImageProcessor
from trocr.model import VisionEncoderDecoderModel
from trocr.processor import TrOCRProcessor
from trocr.recognizer import Recognizer
from trocr.tokenizer import Tokenizer

CHARACTERS = " 0123456789ABCDEFGHIJ./-"


def tiny_line_model(seed: int = 0) -> VisionEncoderDecoderModel:
    torch.manual_seed(seed)
    vocab_size = 4 + len(CHARACTERS)
    encoder = LineEncoderConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        stem_channels=(4, 6, 8, 8),
        ctc_vocab_size=vocab_size,
        initializer_range=0.3,
    )
    decoder = TrOCRConfig(
        vocab_size=vocab_size,
        d_model=16,
        decoder_layers=2,
        decoder_attention_heads=2,
        decoder_ffn_dim=32,
        max_position_embeddings=40,
        cross_attention_hidden_size=16,
        decoder_start_token_id=0,
        init_std=0.5,
        tie_word_embeddings=False,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        encoder, decoder, decoder_start_token_id=0, pad_token_id=1
    )
    model = VisionEncoderDecoderModel(config)
    with torch.no_grad():  # running statistics as after some training, so that layers tell apart
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def tiny_processor() -> TrOCRProcessor:
    return TrOCRProcessor(LineImageProcessor(), Tokenizer.from_characters(CHARACTERS))


def save_tiny_model(folder: Path, seed: int = 0) -> Path:
    """The model and its processor as a checkpoint folder."""
    tiny_line_model(seed).save_pretrained(folder)
    tiny_processor().save_pretrained(folder)
    return folder


def tiny_recognizer(seed: int = 0) -> Recognizer:
    return Recognizer(tiny_line_model(seed), tiny_processor(), name="tiny")


def decoded(
    decoder: HybridDecoder, batches: Iterable[EncodedLines], search_size: int
) -> Iterator[Found]:
    """Hypotheses of every line, in any order, as a ``Recognizer`` has them found."""
    flow = Flow(decoder, search_size)
    for lines in batches:
        yield from flow.take(lines)
        yield from flow.work(more=True)
    yield from flow.work(more=False)


def text_picture(text: str, size: int = 24) -> Image.Image:
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    picture = Image.new("L", (int(right - left) + 12, int(bottom - top) + 10), 245)
    ImageDraw.Draw(picture).text((6 - left, 5 - top), text, 20, font)
    return picture


def noise_picture(height: int, width: int, seed: int) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (height, width), dtype=np.uint8))
