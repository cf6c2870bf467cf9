"""The published models give what ``transformers`` gives: random tiny models of every variant."""

from __future__ import annotations

import copy

import pytest
import reference_models
import torch
import transformers
from reference_models import VARIANTS, Pair, images, pair, tokens

from trocr.checkpoint import read_tensors
from trocr.model import VisionEncoderDecoderModel

CLOSE = {"rtol": 0, "atol": 1e-5}
MANY_ENDS = list(range(2, 24))  # random weights choose the real end of sequence hardly ever


@pytest.fixture(params=list(VARIANTS))
def models(request: pytest.FixtureRequest) -> Pair:
    return pair(request.param)


@torch.no_grad()
def test_every_output_is_equal(models: Pair) -> None:
    inputs = {
        "pixel_values": images(),
        "decoder_input_ids": tokens(),
        "output_attentions": True,
        "output_hidden_states": True,
    }
    ours, theirs = models.ours(**inputs), models.theirs(**inputs)
    assert list(ours) == list(theirs)
    for name in ours:
        if name != "past_key_values":
            torch.testing.assert_close(ours[name], theirs[name], **CLOSE)
    plain = models.ours(images(), tokens()).logits
    torch.testing.assert_close(plain, theirs.logits, **CLOSE)


@torch.no_grad()
def test_a_padded_prompt_is_equal(models: Pair) -> None:
    mask = torch.ones(3, 6, dtype=torch.int64)
    mask[0, :2], mask[1, 5:] = 0, 0
    inputs = {"pixel_values": images(), "decoder_input_ids": tokens()}
    ours = models.ours(**inputs, decoder_attention_mask=mask).logits
    theirs = models.theirs(**inputs, decoder_attention_mask=mask).logits
    torch.testing.assert_close(ours[mask == 1], theirs[mask == 1], **CLOSE)


def test_loss_and_gradients_are_equal(models: Pair, tmp_path) -> None:
    labels = tokens()
    labels[0, 4:] = -100
    ours, theirs = copy.deepcopy(models.ours), copy.deepcopy(models.theirs)
    losses = [model(pixel_values=images(), labels=labels).loss for model in (ours, theirs)]
    torch.testing.assert_close(*losses, **CLOSE)
    for model, loss in zip((ours, theirs), losses, strict=True):
        loss.backward()
        for parameter in model.parameters():  # saved, gradients are called by published names
            parameter.data = torch.zeros(()) if parameter.grad is None else parameter.grad
    ours.save_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    gradients = read_tensors(tmp_path / "theirs")
    for name, gradient in read_tensors(tmp_path / "ours").items():
        torch.testing.assert_close(gradient, gradients[name], **CLOSE, msg=name)
        assert gradient.abs().max() > 0 or "k_proj.bias" in name, name


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_beams": 4},
        {"num_beams": 10, "num_return_sequences": 3, "length_penalty": 2.0},
        {"num_beams": 4, "early_stopping": True, "no_repeat_ngram_size": 2, "max_length": 12},
        {"repetition_penalty": 1.5, "max_new_tokens": 9},
        {"eos_token_id": MANY_ENDS},
        {"eos_token_id": MANY_ENDS, "num_beams": 4, "num_return_sequences": 2},
    ],
    ids=["greedy", "beam-4", "beam-10", "beam-rules", "greedy-rules", "ends", "beam-ends"],
)
def test_generated_ids_are_equal(models: Pair, options: dict[str, object]) -> None:
    limit = {} if "max_new_tokens" in options else {"max_length": reference_models.POSITIONS}
    theirs = models.theirs.generate(images(5), **{**limit, **options})
    ours = models.ours.generate(images(5), **options)
    assert ours.tolist() == theirs.tolist()
    assert len({tuple(row) for row in ours.tolist()}) > 1, "the pictures make no difference"


@torch.no_grad()
def test_steps_with_the_cache_equal_one_pass(models: Pair) -> None:
    pixel_values, ids = images(), tokens()
    whole = models.ours(pixel_values, ids, use_cache=False)
    assert whole.past_key_values is None
    encoded = models.ours.encode(pixel_values)
    past, logits = None, []
    for piece in ids.split([2, 1, 3], dim=1):
        output = models.ours(
            encoder_outputs=encoded, decoder_input_ids=piece, past_key_values=past, use_cache=True
        )
        past = output.past_key_values
        logits.append(output.logits)
    assert past.get_seq_length() == 6
    torch.testing.assert_close(torch.cat(logits, 1), whole.logits, **CLOSE)


@pytest.mark.parametrize("num_beams", [1, 4])
def test_generate_without_cache_is_equal(models: Pair, num_beams: int) -> None:
    cached, plain = (
        models.ours.generate(images(), num_beams=num_beams, use_cache=c) for c in (True, False)
    )
    assert cached.tolist() == plain.tolist()


def test_generate_returns_everything_on_request(models: Pair) -> None:
    output = models.ours.generate(
        images(), num_beams=3, return_dict_in_generate=True, output_scores=True
    )
    theirs = models.theirs.generate(
        images(),
        num_beams=3,
        max_length=reference_models.POSITIONS,
        return_dict_in_generate=True,
        output_scores=True,
    )
    assert output.sequences.tolist() == theirs.sequences.tolist()
    torch.testing.assert_close(output.sequences_scores, theirs.sequences_scores, **CLOSE)


def test_a_batch_equals_its_images_one_by_one(models: Pair) -> None:
    together = models.ours.generate(images(), num_beams=2)
    for row, image in zip(together, images(), strict=True):
        alone = models.ours.generate(image[None], num_beams=2)[0].tolist()
        assert row.tolist()[: len(alone)] == alone


@torch.no_grad()
def test_another_image_size_on_request(models: Pair) -> None:
    larger = images(size=24)
    inputs = {"decoder_input_ids": tokens(), "interpolate_pos_encoding": True}
    ours, theirs = models.ours(larger, **inputs), models.theirs(larger, **inputs)
    torch.testing.assert_close(ours.logits, theirs.logits, **CLOSE)
    native, asked = models.ours(images(), tokens()), models.ours(images(), **inputs)
    assert torch.equal(native.logits, asked.logits)
    assert models.ours.generate(larger, interpolate_pos_encoding=True).shape[0] == 3


@pytest.mark.parametrize("kind", ["encoder", "decoder_head", "decoder_cross_attn"])
@torch.no_grad()
def test_a_head_mask_silences_a_head(models: Pair, kind: str) -> None:
    layer, head = 1, 2
    mask = torch.ones(2, 4)
    mask[layer, head] = 0
    name = {"encoder": "head_mask", "decoder_head": "decoder_head_mask"}.get(
        kind, "decoder_cross_attn_head_mask"
    )
    masked = models.ours(images(), tokens(), **{name: mask}).logits
    cut = copy.deepcopy(models.ours)
    attention = {
        "encoder": lambda: cut.encoder.layers[layer].attention,
        "decoder_head": lambda: cut.decoder.model.decoder.layers[layer].self_attn,
        "decoder_cross_attn": lambda: cut.decoder.model.decoder.layers[layer].encoder_attn,
    }[kind]()
    columns = slice(head * attention.head_dim, (head + 1) * attention.head_dim)
    attention.out_proj.weight[:, columns] = 0
    torch.testing.assert_close(masked, cut(images(), tokens()).logits, **CLOSE)
    assert (masked - models.ours(images(), tokens()).logits).abs().max() > 1e-3


def test_gradient_checkpointing_changes_no_gradient(models: Pair) -> None:
    gradients = []
    for enabled in (False, True):
        model = copy.deepcopy(models.ours).train()
        model.decoder.model.decoder.config.dropout = 0.0
        for module in model.modules():
            if isinstance(getattr(module, "dropout", None), float):
                module.dropout = 0.0
        if enabled:
            model.gradient_checkpointing_enable()
        output = model(images(), labels=tokens())
        assert (output.past_key_values is None) == enabled
        output.loss.backward()
        gradients.append([p.grad for p in model.parameters()])
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6)


@pytest.mark.slow
@torch.no_grad()
def test_the_full_base_size_is_equal(tmp_path) -> None:
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.ViTConfig(image_size=384, qkv_bias=False),
        transformers.TrOCRConfig(cross_attention_hidden_size=768),
        decoder_start_token_id=2,
        pad_token_id=1,
    )
    torch.manual_seed(0)
    theirs = transformers.VisionEncoderDecoderModel(config).eval()
    theirs.save_pretrained(tmp_path)
    ours = VisionEncoderDecoderModel.from_pretrained(tmp_path)
    inputs = (images(1, 384), tokens(1, 8, 50265))
    torch.testing.assert_close(ours(*inputs).logits, theirs(*inputs).logits, **CLOSE)
    options = {"max_new_tokens": 6, "num_beams": 4}
    assert ours.generate(inputs[0], **options).tolist() == (
        theirs.generate(inputs[0], **options).tolist()
    )
