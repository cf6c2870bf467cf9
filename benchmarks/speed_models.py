"""The published shapes with random weights, and what generates with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import trocr

TOKENS = 20  # that every line is given
# Configurations of microsoft/trocr-small-* and microsoft/trocr-base-*, where they are not the
# defaults of transformers.
SHAPES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "small": (
        "deit",
        {
            "hidden_size": 384,
            "num_hidden_layers": 12,
            "num_attention_heads": 6,
            "intermediate_size": 1536,
            "image_size": 384,
        },
        {
            "vocab_size": 64044,
            "d_model": 256,
            "decoder_layers": 6,
            "decoder_attention_heads": 8,
            "decoder_ffn_dim": 1024,
            "cross_attention_hidden_size": 384,
            "activation_function": "relu",
            "scale_embedding": True,
            "tie_word_embeddings": False,
        },
    ),
    "base": (
        "vit",
        {"image_size": 384, "qkv_bias": False},
        {
            "vocab_size": 50265,
            "d_model": 1024,
            "decoder_layers": 12,
            "decoder_attention_heads": 16,
            "decoder_ffn_dim": 4096,
            "cross_attention_hidden_size": 768,
            "activation_function": "gelu",
            "tie_word_embeddings": False,
        },
    ),
}


@dataclass(frozen=True)
class Generator:
    """``label`` has library and dtype; ``ids`` writes token ids for (lines, 3, 384, 384)."""

    label: str
    ids: Callable[[torch.Tensor], torch.Tensor]


def shape_folder(name: str, parent: Path) -> Path:
    """A folder as published with random weights, always the same; written once."""
    import transformers

    folder = parent / name
    if (folder / "config.json").exists():
        return folder
    encoder_type, encoder, decoder = SHAPES[name]
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.AutoConfig.for_model(encoder_type, **encoder),
        transformers.TrOCRConfig(max_position_embeddings=512, **decoder),
    )
    config.decoder_start_token_id = config.eos_token_id = 2
    config.pad_token_id = 1
    torch.manual_seed(0)
    transformers.VisionEncoderDecoderModel(config).save_pretrained(folder)
    return folder


def theirs(folder: Path, dtype: torch.dtype, device: str, **settings: Any) -> Generator:
    """``transformers``, eager, as ``from_pretrained`` gives it."""
    import transformers

    model = transformers.VisionEncoderDecoderModel.from_pretrained(folder, dtype=dtype)
    model = model.to(device).eval()

    @torch.inference_mode()
    def ids(pixels: torch.Tensor) -> torch.Tensor:
        return model.generate(pixels.to(device, dtype), **settings).cpu()

    return Generator(f"transformers {name_of(dtype)}", ids)


def ours(folder: Path, dtype: torch.dtype, device: str, **settings: Any) -> Generator:
    """``VisionEncoderDecoderModel.generate``."""
    model = trocr.VisionEncoderDecoderModel.from_pretrained(folder, dtype=dtype).to(device).eval()

    def ids(pixels: torch.Tensor) -> torch.Tensor:
        return model.generate(pixels.to(device, dtype), **settings).cpu()

    return Generator(f"trocr {name_of(dtype)}", ids)


def generators(
    folder: Path, dtypes: tuple[torch.dtype, ...], device: str, beams: int, tokens: int = TOKENS
) -> list[Generator]:
    """Both in every dtype, ours first; exactly so many tokens a line."""
    settings = {
        "num_beams": beams,
        "do_sample": False,
        "min_new_tokens": tokens,
        "max_new_tokens": tokens,
    }
    return [make(folder, dtype, device, **settings) for make in (ours, theirs) for dtype in dtypes]


def name_of(dtype: torch.dtype) -> str:
    """``float32``."""
    return str(dtype).removeprefix("torch.")
