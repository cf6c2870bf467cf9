"""The published shapes with random weights, and what generates with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

import trocr
from trocr.exported import PACKAGES, load_exported
from trocr.image_processor import ViTImageProcessor
from trocr.optimize.export import export
from trocr.processor import TrOCRProcessor
from trocr.tokenizer import Tokenizer

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
    TrOCRProcessor(ViTImageProcessor(), _tokenizer(decoder["vocab_size"])).save_pretrained(folder)
    return folder


def _tokenizer(size: int) -> Tokenizer:
    """Only so that `trocr.load` finds one that fits: nothing is read with it."""
    special = len(Tokenizer.from_characters("").get_vocab())
    return Tokenizer.from_characters("".join(map(chr, range(0xF0000, 0xF0000 + size - special))))


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
    """``generate`` of the model that ``trocr.load`` makes ready."""
    model = trocr.load(folder, device, name_of(dtype)).model

    def ids(pixels: torch.Tensor) -> torch.Tensor:
        return model.generate(pixels.to(device, dtype), **settings).cpu()

    return Generator(f"trocr {name_of(dtype)}", ids)


def exported(folder: Path, kind: str, **settings: Any) -> Generator:
    """What ``trocr export`` makes of a folder, once; float32 on the CPU, our search."""
    target = folder.with_name(f"{folder.name}-{kind}")
    if not target.exists():
        model = trocr.VisionEncoderDecoderModel.from_pretrained(folder).eval()
        export(model, folder, target, kind)
    run_by = load_exported(target)

    def ids(pixels: torch.Tensor) -> torch.Tensor:
        return run_by.generate(pixels, **settings)

    package = PACKAGES[kind]
    return Generator(f"{package} {metadata.version(package)}", ids)


def runtimes() -> list[str]:
    """Those of ``trocr export`` that can run here."""
    return [kind for kind, package in PACKAGES.items() if find_spec(package)]


def fixed(beams: int, tokens: int = TOKENS) -> dict[str, Any]:
    """Settings for exactly so many tokens a line."""
    return {
        "num_beams": beams,
        "do_sample": False,
        "min_new_tokens": tokens,
        "max_new_tokens": tokens,
    }


def generators(
    folder: Path, dtypes: tuple[torch.dtype, ...], device: str, beams: int
) -> list[Generator]:
    """Both in every dtype, ours first."""
    made = ((make, dtype) for make in (ours, theirs) for dtype in dtypes)
    return [make(folder, dtype, device, **fixed(beams)) for make, dtype in made]


def name_of(dtype: torch.dtype) -> str:
    """``float32``."""
    return str(dtype).removeprefix("torch.")
