"""Packed models compute what they computed before."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from line_models import tiny_line_model
from reference_models import IMAGE_SIZE, VARIANTS, pair

import trocr
from trocr.devices import multiplies_bfloat16
from trocr.engine import linear
from trocr.engine.linear import PackedLinear
from trocr.engine.prepare import prepare
from trocr.errors import UsageError
from trocr.kv_cache import KVCache
from trocr.model import VisionEncoderDecoderModel

CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def models(variant: str) -> tuple[VisionEncoderDecoderModel, VisionEncoderDecoderModel]:
    """A tiny random model, and the same packed."""
    model = tiny_line_model() if variant == "line" else copy.deepcopy(pair(variant).ours)
    packed = copy.deepcopy(model)
    prepare(packed)
    return model, packed


def pictures(model: VisionEncoderDecoderModel, count: int = 5) -> torch.Tensor:
    torch.manual_seed(1)
    channels = model.config.encoder.num_channels if hasattr(model.encoder, "image_size") else 1
    size = (IMAGE_SIZE, IMAGE_SIZE) if channels == 3 else (model.config.encoder.image_height, 144)
    return torch.rand(count, channels, *size)


@torch.no_grad()
@pytest.mark.parametrize("variant", [*VARIANTS, "line"])
def test_same_logits_and_same_ids(variant: str) -> None:
    model, packed = models(variant)
    pixels = pictures(model)
    ids = torch.randint(4, 20, (5, 7))
    before = model(pixel_values=pixels, decoder_input_ids=ids).logits
    after = packed(pixel_values=pixels, decoder_input_ids=ids).logits
    torch.testing.assert_close(after, before, **CLOSE)
    for settings in ({}, {"num_beams": 4, "num_return_sequences": 3}, {"use_cache": False}):
        expected = model.generate(pixels, max_new_tokens=12, min_new_tokens=6, **settings)
        assert packed.generate(pixels, max_new_tokens=12, min_new_tokens=6, **settings).equal(
            expected
        )


@torch.no_grad()
@pytest.mark.parametrize("variant", ["vit", "line"])
def test_without_a_packing_torch_it_works_unpacked(variant: str, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("not on this CPU")

    monkeypatch.setattr(linear.PackedLinear, "__init__", refuse)
    model, packed = models(variant)
    assert not any(isinstance(module, PackedLinear) for module in packed.modules())
    pixels = pictures(model)
    assert packed.generate(pixels, max_new_tokens=9).equal(model.generate(pixels, max_new_tokens=9))


@torch.no_grad()
@pytest.mark.skipif(not multiplies_bfloat16(torch.device("cpu")), reason="no bfloat16 products")
def test_bfloat16_is_near() -> None:
    model, _ = models("line")
    packed = copy.deepcopy(model).to(torch.bfloat16)
    prepare(packed)
    pixels, ids = pictures(model), torch.randint(4, 20, (5, 7))
    exact = model(pixel_values=pixels, decoder_input_ids=ids).logits
    found = packed(pixel_values=pixels.bfloat16(), decoder_input_ids=ids).logits.float()
    assert (found - exact).abs().max() < 0.1 * exact.std()


def test_it_knows_what_it_was_and_cannot_be_saved(tmp_path: Path) -> None:
    model, packed = models("vit")
    assert packed.num_parameters() == model.num_parameters() > 0
    assert packed.num_parameters(only_trainable=True) == 0
    with pytest.raises(UsageError, match="packed"):
        packed.save_pretrained(tmp_path)


def test_load_packs(tmp_path: Path) -> None:
    reader = trocr.load("printed", dtype="float32")
    assert any(isinstance(module, PackedLinear) for module in reader.model.modules())


@torch.no_grad()
@pytest.mark.parametrize(
    "rows",
    [[0, 0, 1, 1, 2, 2], [2, 0], [1, 1, 1, 0], [0, 1, 0, 1], [2, 2, 0, 0, 2, 2]],
    ids=["beams", "dropped", "ragged", "mixed", "dropped beams"],
)
def test_rows_share_what_they_read(rows: list[int]) -> None:
    decoder = pair("vit").ours.decoder
    torch.manual_seed(2)
    ids = torch.randint(4, 20, (3, 9))
    states = torch.randn(3, 6, decoder.config.cross_attention_hidden_size or 32)
    mask = (torch.rand(3, 6) < 0.7).long()
    mask[:, 0] = 1
    whole = decoder(
        ids, encoder_hidden_states=states, encoder_attention_mask=mask, use_cache=False
    ).logits
    cache, chosen = KVCache(2), torch.arange(3)
    for step in range(9):
        logits = decoder(
            ids[chosen, step : step + 1],
            encoder_hidden_states=states[chosen],
            encoder_attention_mask=mask[chosen],
            past_key_values=cache,
        ).logits
        torch.testing.assert_close(logits[:, 0], whole[chosen, step], **CLOSE)
        if step in (2, 5):
            # The second time from the rows that there are then.
            picked = torch.tensor(rows) % len(chosen)
            cache.reorder(picked)
            chosen = chosen[picked]
    shared = cache.layers[0].cross_key
    assert shared is not None
    assert shared.shape[0] * cache.layers[0].rows_per_source == len(chosen)
