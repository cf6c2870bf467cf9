"""Configurations: the reference's keys and defaults, and the published JSON both ways."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers
from reference_models import VARIANTS, reference_config

from trocr.config import (
    DeiTConfig,
    LineEncoderConfig,
    TrOCRConfig,
    VisionEncoderDecoderConfig,
    ViTConfig,
)
from trocr.errors import CheckpointError

PUBLISHED_SMALL = Path(__file__).parents[2] / "shared/tokenizers/trocr-small/config.json"


@pytest.mark.parametrize("name", ["TrOCRConfig", "ViTConfig", "DeiTConfig"])
def test_defaults_are_the_references(name: str) -> None:
    ours = {"TrOCRConfig": TrOCRConfig, "ViTConfig": ViTConfig, "DeiTConfig": DeiTConfig}[name]()
    theirs = getattr(transformers, name)()
    for key in ours.defaults():
        if key not in ("pooler_output_size", "add_cross_attention"):
            assert getattr(ours, key) == getattr(theirs, key), key
    assert set(vars(type(theirs)).get("__annotations__", {})) - {"model_type"} <= {
        *ours.defaults(),
        "attribute_map",
        "keys_to_ignore_at_inference",
    }


@pytest.mark.parametrize("name", list(VARIANTS))
def test_what_transformers_writes_reads_and_writes_unchanged(name: str, tmp_path) -> None:
    reference_config(VARIANTS[name], num_beams=3, a_key_of_tomorrow={"deep": [1]}).save_pretrained(
        tmp_path / "theirs"
    )
    config = VisionEncoderDecoderConfig.from_pretrained(tmp_path / "theirs")
    config.save_pretrained(tmp_path / "ours")
    ours, theirs = (
        json.loads((tmp_path / who / "config.json").read_text()) for who in ("ours", "theirs")
    )
    assert ours == theirs
    transformers.VisionEncoderDecoderConfig.from_pretrained(tmp_path / "ours")


@pytest.mark.shared
def test_the_published_small_config_reads_and_writes_unchanged() -> None:
    text = json.loads(PUBLISHED_SMALL.read_text())
    config = VisionEncoderDecoderConfig.from_dict(text)
    assert config.to_dict() == text
    assert config.encoder.model_type == "deit"
    assert config.decoder.cross_attention_hidden_size == 384
    assert config.decoder.vocab_size == 64044


def test_a_changed_key_is_written_even_if_the_file_left_it_out() -> None:
    config = TrOCRConfig.from_dict({"model_type": "trocr", "d_model": 64})
    assert config.to_dict() == {"model_type": "trocr", "d_model": 64}
    config.dropout = 0.3
    assert config.to_dict() == {"model_type": "trocr", "d_model": 64, "dropout": 0.3}


def test_the_names_shared_by_all_models_work() -> None:
    config = TrOCRConfig(hidden_size=64, num_hidden_layers=3)
    assert (config.d_model, config.decoder_layers) == (64, 3)
    config.num_attention_heads = 2
    assert config.decoder_attention_heads == 2
    with pytest.raises(AttributeError, match="no_such_key"):
        _ = config.no_such_key


def test_our_line_encoder_survives_json() -> None:
    config = LineEncoderConfig(stem_channels=(4, 8, 8, 8))
    again = LineEncoderConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config


def test_equality_is_by_content() -> None:
    assert TrOCRConfig(d_model=32) == TrOCRConfig(d_model=32) != TrOCRConfig(d_model=64)
    assert ViTConfig() != DeiTConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No config.json"),
        ("{", "Cannot read"),
        ("[]", "not a JSON object"),
        ('{"model_type": "bert"}', "'bert' model"),
        ('{"model_type": "vision-encoder-decoder"}', "needs both"),
        ('{"encoder": {"model_type": "swin"}, "decoder": {}}', "'swin'"),
    ],
)
def test_a_bad_file_is_one_clear_error(text: str | None, message: str, tmp_path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        VisionEncoderDecoderConfig.from_pretrained(tmp_path)
