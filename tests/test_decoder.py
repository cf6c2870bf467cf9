"""The text decoder alone, against ``transformers`` and against itself."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers
from reference_models import STAGE1, randomise, tokens
from transformers.activations import ACT2FN

from trocr.attention import ACTIVATIONS, activation
from trocr.config import TrOCRConfig
from trocr.decoder import TrOCRForCausalLM
from trocr.errors import UsageError
from trocr.kv_cache import KVCache
from trocr.positions import SinusoidalPositions

SMALL = {
    "vocab_size": 40,
    "d_model": 16,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 20,
}
CLOSE = {"rtol": 0, "atol": 1e-5}


def both(**values):
    """Ours and the reference's decoder with the same random weights, in evaluation mode."""
    theirs = randomise(transformers.TrOCRForCausalLM(transformers.TrOCRConfig(**SMALL, **values)))
    ours = TrOCRForCausalLM(TrOCRConfig(**SMALL, **values))
    ours.load_state_dict(theirs.state_dict())
    return ours.eval(), theirs.eval()


@pytest.fixture(params=[{}, STAGE1, {"layernorm_embedding": False}], ids=["base", "stage1", "raw"])
def decoders(request: pytest.FixtureRequest):
    return both(**request.param)


@torch.no_grad()
def test_it_equals_the_reference_without_an_encoder(decoders) -> None:
    labels = tokens()
    labels[1, 3:] = -100
    options = {"labels": labels, "output_attentions": True, "output_hidden_states": True}
    ours, theirs = (decoder(input_ids=tokens(), **options) for decoder in decoders)
    assert list(ours) == list(theirs)
    for name in ("loss", "logits", "hidden_states", "attentions"):
        torch.testing.assert_close(ours[name], theirs[name], **CLOSE)


@torch.no_grad()
def test_it_equals_the_reference_with_padding_on_both_sides(decoders) -> None:
    ids, mask, encoder_mask = tokens(), torch.ones(3, 6).long(), torch.ones(3, 5).long()
    ids[0, :2], mask[0, :2], encoder_mask[1, 2:] = 1, 0, 0
    inputs = {
        "input_ids": ids,
        "attention_mask": mask,
        "encoder_hidden_states": torch.randn(3, 5, 16),
        "encoder_attention_mask": encoder_mask,
    }
    ours, theirs = (decoder(**inputs).logits for decoder in decoders)
    torch.testing.assert_close(ours[mask == 1], theirs[mask == 1], **CLOSE)


def test_tuples_have_the_reference_order() -> None:
    ours, theirs = both()
    for options in ({"use_cache": True}, {"use_cache": False}, {"labels": tokens()}):
        ours_tuple, theirs_tuple = (
            decoder(input_ids=tokens(), return_dict=False, **options) for decoder in (ours, theirs)
        )
        assert isinstance(ours_tuple, tuple)
        assert len(ours_tuple) == len(theirs_tuple)
        torch.testing.assert_close(ours_tuple[0], theirs_tuple[0], **CLOSE)


def test_the_cache_is_one_output_more() -> None:
    decoder, _ = both()
    ids = tokens()
    cached, default = decoder(ids, use_cache=True), decoder(ids)
    plain = decoder(ids, use_cache=False)
    assert len(cached) == len(default) == len(plain) + 1
    assert cached.past_key_values.get_seq_length() == 6
    assert len(cached.past_key_values) == 2


@torch.no_grad()
def test_cached_equals_uncached_under_a_mask(decoders) -> None:
    decoder = decoders[0]
    ids, mask = tokens(), torch.ones(3, 6).long()
    mask[0, :2], mask[1, 0] = 0, 0
    whole = decoder(ids, attention_mask=mask, use_cache=False).logits
    past, pieces = None, []
    for start, end in ((0, 3), (3, 4), (4, 6)):
        output = decoder(ids[:, start:end], attention_mask=mask[:, :end], past_key_values=past)
        past = output.past_key_values
        pieces.append(output.logits)
    torch.testing.assert_close(torch.cat(pieces, 1)[mask == 1], whole[mask == 1], **CLOSE)


@torch.no_grad()
def test_a_reordered_cache_goes_on_as_the_chosen_rows() -> None:
    decoder, _ = both()
    ids, states = tokens(), torch.randn(3, 5, 16)
    rows = torch.tensor([2, 0, 0, 1])
    cache = KVCache(2)
    decoder(ids[:, :4], encoder_hidden_states=states, past_key_values=cache)
    cache.reorder(rows)
    step = decoder(ids[rows, 4:], encoder_hidden_states=states[rows], past_key_values=cache).logits
    whole = decoder(ids, encoder_hidden_states=states, use_cache=False).logits
    torch.testing.assert_close(step, whole[rows, 4:], **CLOSE)


@torch.no_grad()
def test_embeddings_instead_of_ids_and_given_positions() -> None:
    decoder, _ = both(scale_embedding=True)
    ids = tokens()
    embeds = decoder.get_input_embeddings()(ids) * 4.0  # the square root of d_model
    torch.testing.assert_close(decoder(inputs_embeds=embeds).logits, decoder(ids).logits, **CLOSE)
    positions = decoder(ids, cache_position=torch.arange(3, 9)).logits
    assert not torch.allclose(positions, decoder(ids).logits)
    for wrong in ({}, {"input_ids": ids, "inputs_embeds": embeds}):
        with pytest.raises(UsageError, match="exactly one"):
            decoder(**wrong)


@torch.no_grad()
def test_the_position_table_has_an_end(decoders) -> None:
    decoder = decoders[0]
    ids = tokens(1, 20)
    past = decoder(ids).past_key_values
    with pytest.raises(UsageError, match="21 tokens"):
        decoder(tokens(1, 21))
    with pytest.raises(UsageError, match="21 tokens"):
        decoder(ids[:, :1], past_key_values=past)


def test_padding_takes_no_sinusoidal_position() -> None:
    positions = SinusoidalPositions(10, 8, padding_idx=1)
    ids = torch.tensor([[1, 1, 5, 6], [5, 6, 1, 7]])
    found = positions(torch.arange(4)[None], ids)
    assert not found[0, :2].any()
    assert not found[1, 2].any()
    assert torch.equal(found[0, 2:], found[1, :2])
    assert torch.equal(found[1, 3], positions.table[4])


def test_layerdrop_skips_layers_in_training_only() -> None:
    decoder = TrOCRForCausalLM(TrOCRConfig(**SMALL, decoder_layerdrop=1.0, dropout=0.0))
    ids = tokens()
    inner = decoder.model.decoder
    output = inner(ids, output_hidden_states=True, use_cache=False)
    assert torch.equal(output.hidden_states[0], output.last_hidden_state)
    assert len(output.hidden_states) == 3
    inner.eval()
    assert not torch.equal(inner(ids).last_hidden_state, output.last_hidden_state)


def test_tied_and_untied_heads() -> None:
    tied = TrOCRForCausalLM(TrOCRConfig(**SMALL))
    untied = TrOCRForCausalLM(TrOCRConfig(**SMALL, tie_word_embeddings=False))
    assert tied.get_output_embeddings().weight is tied.get_input_embeddings().weight
    assert untied.get_output_embeddings().weight is not untied.get_input_embeddings().weight
    assert untied.num_parameters() - tied.num_parameters() == 40 * 16
    assert copy.deepcopy(tied).num_parameters() == tied.num_parameters()


@pytest.mark.parametrize("name", ["self_attn", "encoder_attn"])
@torch.no_grad()
def test_a_head_mask_per_row(name: str) -> None:
    """(batch, heads, 1, 1) in a layer silences the head for one row only."""
    attention = getattr(both()[0].model.decoder.layers[0], name)
    states = torch.randn(2, 5, 16)
    mask = torch.ones(2, 4, 1, 1)
    mask[0, 3] = 0
    masked, whole = attention(states, head_mask=mask)[0], attention(states)[0]
    torch.testing.assert_close(masked[1], whole[1], **CLOSE)
    attention.out_proj.weight[:, 12:] = 0
    torch.testing.assert_close(masked[0], attention(states)[0][0], **CLOSE)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_activations_equal_the_references(name: str) -> None:
    x = torch.linspace(-12, 12, 101)
    torch.testing.assert_close(activation(name)(x), ACT2FN[name](x), rtol=1e-5, atol=1e-5)


def test_an_unknown_activation() -> None:
    with pytest.raises(UsageError, match="'jump'"):
        activation("jump")
