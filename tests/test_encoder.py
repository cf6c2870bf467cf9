"""ViT and DeiT alone: shapes, sizes, errors, initialisation."""

from __future__ import annotations

import pytest
import torch

from trocr.config import DeiTConfig, ViTConfig
from trocr.encoder import DeiTModel, ViTModel
from trocr.errors import UsageError

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "image_size": 12,
    "patch_size": 4,
}


@pytest.fixture(params=[(ViTModel, ViTConfig, 1), (DeiTModel, DeiTConfig, 2)], ids=["vit", "deit"])
def encoder_and_special_tokens(request: pytest.FixtureRequest):
    model_class, config_class, special_tokens = request.param
    torch.manual_seed(0)
    return model_class(config_class(**SMALL)).eval(), special_tokens


def test_outputs_have_the_reference_names_and_shapes(encoder_and_special_tokens) -> None:
    encoder, special = encoder_and_special_tokens
    output = encoder(torch.rand(2, 3, 12, 12), output_attentions=True, output_hidden_states=True)
    length = 9 + special
    assert list(output) == ["last_hidden_state", "hidden_states", "attentions"]
    assert output.last_hidden_state.shape == (2, length, 16)
    assert [s.shape for s in output.hidden_states] == [(2, length, 16)] * 4
    assert [a.shape for a in output.attentions] == [(2, 2, length, length)] * 3
    torch.testing.assert_close(output.attentions[0].sum(-1), torch.ones(2, 2, length))
    final = encoder.layernorm(output.hidden_states[-1])
    torch.testing.assert_close(final, output.last_hidden_state)
    assert list(encoder(torch.rand(2, 3, 12, 12))) == ["last_hidden_state"]


def test_a_tuple_on_request(encoder_and_special_tokens) -> None:
    encoder, _ = encoder_and_special_tokens
    output = encoder(torch.rand(1, 3, 12, 12), output_hidden_states=True, return_dict=False)
    assert isinstance(output, tuple)
    assert len(output) == 2


def test_the_configuration_may_ask_for_everything() -> None:
    config = ViTConfig(**SMALL, output_attentions=True, output_hidden_states=True)
    assert len(ViTModel(config)(torch.rand(1, 3, 12, 12))) == 3


def test_the_position_table_is_untouched_at_the_native_size(encoder_and_special_tokens) -> None:
    encoder, special = encoder_and_special_tokens
    assert encoder._positions(12, 12) is encoder.position_embeddings
    larger = encoder._positions(20, 16)
    assert larger.shape == (1, 5 * 4 + special, 16)
    assert torch.equal(larger[:, :special], encoder.position_embeddings[:, :special])


def test_a_constant_table_stays_constant_at_any_size(encoder_and_special_tokens) -> None:
    encoder, _ = encoder_and_special_tokens
    with torch.no_grad():
        encoder.position_embeddings.copy_(torch.arange(16.0))
    torch.testing.assert_close(encoder._positions(8, 40)[0, 5], torch.arange(16.0))


def test_a_wide_native_size() -> None:
    encoder = ViTModel(ViTConfig(**{**SMALL, "image_size": [8, 24]}))
    assert encoder(torch.rand(1, 3, 8, 24)).last_hidden_state.shape == (1, 13, 16)
    with pytest.raises(UsageError, match="8 x 24"):
        encoder(torch.rand(1, 3, 24, 8))


def test_another_size_must_be_asked_for(encoder_and_special_tokens) -> None:
    encoder, special = encoder_and_special_tokens
    with pytest.raises(UsageError, match="interpolate_pos_encoding=True"):
        encoder(torch.rand(1, 3, 16, 16))
    output = encoder(torch.rand(1, 3, 16, 16), interpolate_pos_encoding=True)
    assert output.last_hidden_state.shape == (1, 16 + special, 16)


def test_the_wrong_number_of_channels(encoder_and_special_tokens) -> None:
    with pytest.raises(UsageError, match="3 channels, not 1"):
        encoder_and_special_tokens[0](torch.rand(1, 1, 12, 12))


def test_pixels_take_the_dtype_of_the_weights(encoder_and_special_tokens) -> None:
    encoder = encoder_and_special_tokens[0].to(torch.bfloat16)
    assert encoder(torch.rand(1, 3, 12, 12)).last_hidden_state.dtype == torch.bfloat16


def test_dropout_acts_in_training_only() -> None:
    encoder = ViTModel(ViTConfig(**SMALL, hidden_dropout_prob=0.5))
    pixels = torch.rand(1, 3, 12, 12)
    assert not torch.equal(encoder(pixels)[0], encoder(pixels)[0])
    encoder.eval()
    assert torch.equal(encoder(pixels)[0], encoder(pixels)[0])


def test_initial_weights_have_the_configured_spread() -> None:
    encoder = DeiTModel(DeiTConfig(**{**SMALL, "hidden_size": 64}, initializer_range=0.05))
    for parameter in (encoder.layers[0].fc1.weight, encoder.position_embeddings):
        assert 0.04 < parameter.std().item() < 0.06
    assert not encoder.layers[0].fc1.bias.any()


def test_without_qkv_bias() -> None:
    names = ViTModel(ViTConfig(**SMALL, qkv_bias=False)).state_dict().keys()
    assert "layers.0.attention.q_proj.weight" in names
    assert "layers.0.attention.q_proj.bias" not in names
    assert "layers.0.attention.out_proj.bias" in names


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UsageError, match="not divisible"):
        ViTModel(ViTConfig(**{**SMALL, "num_attention_heads": 5}))
