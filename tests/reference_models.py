"""Random tiny models of every published variant, built and saved by ``transformers``."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import transformers

from trocr.model import VisionEncoderDecoderModel

IMAGE_SIZE, VOCAB_SIZE, POSITIONS = 16, 40, 24
_ENCODER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": IMAGE_SIZE,
    "patch_size": 4,
}
_DECODER = {
    "vocab_size": VOCAB_SIZE,
    "d_model": 32,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": POSITIONS,
}


@dataclass
class Variant:
    encoder_class: type = transformers.ViTConfig
    encoder: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)


STAGE1 = {
    "use_learned_position_embeddings": False,
    "activation_function": "relu",
    "scale_embedding": True,
    "tie_word_embeddings": False,
    "layernorm_embedding": False,
}
VARIANTS = {
    "vit": Variant(),
    "vit-without-qkv-bias": Variant(encoder={"qkv_bias": False}),
    "vit-sinusoidal": Variant(decoder=STAGE1),
    "deit-small": Variant(
        transformers.DeiTConfig,
        {"hidden_size": 24},
        {
            "cross_attention_hidden_size": 24,
            "activation_function": "relu",
            "scale_embedding": True,
            "tie_word_embeddings": False,
            "vocab_size": 64,
        },
    ),
    "projected": Variant(encoder={"hidden_size": 24}),
}


@dataclass
class Pair:
    """The reference model, ours loaded from what it saved, and that folder."""

    theirs: Any
    ours: VisionEncoderDecoderModel
    storage: TemporaryDirectory[str]

    @property
    def folder(self) -> Path:
        return Path(self.storage.name)

    @property
    def vocab_size(self) -> int:
        return int(self.ours.config.decoder.vocab_size)


def reference_config(variant: Variant, **values: Any) -> Any:
    return transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        variant.encoder_class(**{**_ENCODER, **variant.encoder}),
        transformers.TrOCRConfig(**{**_DECODER, **variant.decoder}),
        decoder_start_token_id=2,
        pad_token_id=1,
        eos_token_id=2,
        **values,
    )


def randomise(model: Any) -> Any:
    """Weights wide enough that attention and the chosen tokens depend on the input."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            offset = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            parameter.normal_(std=0.2).add_(offset)
    return model


@cache
def pair(name: str) -> Pair:
    theirs = randomise(transformers.VisionEncoderDecoderModel(reference_config(VARIANTS[name])))
    theirs.set_attn_implementation("eager")
    storage = TemporaryDirectory(prefix=f"trocr-{name}-")
    theirs.save_pretrained(storage.name)
    return Pair(theirs.eval(), VisionEncoderDecoderModel.from_pretrained(storage.name), storage)


def images(count: int = 3, size: int = IMAGE_SIZE) -> torch.Tensor:
    with torch.inference_mode(False):  # they are for gradients, too
        return torch.randn((count, 3, size, size), generator=torch.Generator().manual_seed(1))


def tokens(count: int = 3, length: int = 6, vocab_size: int = VOCAB_SIZE) -> torch.Tensor:
    return torch.randint(3, vocab_size, (count, length), generator=torch.Generator().manual_seed(2))
