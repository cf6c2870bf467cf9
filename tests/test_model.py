"""The joined model: arguments, errors, outputs, and where generation settings come from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from reference_models import POSITIONS, images, pair, tokens

from trocr.config import TrOCRConfig, VisionEncoderDecoderConfig, ViTConfig
from trocr.decoder import TrOCRForCausalLM
from trocr.encoder import ViTModel
from trocr.errors import CheckpointError, UsageError
from trocr.generation_config import GenerationConfig
from trocr.model import VisionEncoderDecoderModel
from trocr.outputs import EncoderOutput

ENCODER = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "image_size": 16,
    "patch_size": 4,
}
DECODER = {
    "vocab_size": 40,
    "d_model": 16,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 16,
}


@pytest.fixture
def model() -> VisionEncoderDecoderModel:
    """A fresh copy, whose configuration a test may change."""
    return VisionEncoderDecoderModel.from_pretrained(pair("vit").folder)


# --- construction ------------------------------------------------------------------------------


def test_from_parts_and_from_a_configuration() -> None:
    encoder, decoder = ViTModel(ViTConfig(**ENCODER)), TrOCRForCausalLM(TrOCRConfig(**DECODER))
    model = VisionEncoderDecoderModel(encoder=encoder, decoder=decoder)
    assert model.get_encoder() is encoder
    assert model.get_decoder() is decoder
    assert model.config.encoder is encoder.config
    assert model.config.decoder is decoder.config
    assert model.config.decoder.add_cross_attention
    assert not model.config.tie_word_embeddings
    again = VisionEncoderDecoderModel(model.config)
    assert again.num_parameters() == model.num_parameters() > 0
    assert again.get_input_embeddings().weight is again.get_output_embeddings().weight
    assert (again.device, again.dtype) == (torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(
    ("encoder_width", "cross_width", "projected"),
    [(16, None, False), (24, None, True), (24, 24, False), (16, 16, False)],
)
def test_a_projection_exists_only_where_it_is_needed(
    encoder_width: int, cross_width: int | None, projected: bool
) -> None:
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        ViTConfig(**{**ENCODER, "hidden_size": encoder_width}),
        TrOCRConfig(**DECODER, cross_attention_hidden_size=cross_width),
    )
    names = VisionEncoderDecoderModel(config).state_dict()
    assert ("enc_to_dec_proj.weight" in names) == projected


def test_parts_that_do_not_fit() -> None:
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        ViTConfig(**ENCODER), TrOCRConfig(**DECODER, cross_attention_hidden_size=24)
    )
    with pytest.raises(UsageError, match="cross_attention_hidden_size"):
        VisionEncoderDecoderModel(config)
    with pytest.raises(UsageError, match="encoder and a decoder"):
        VisionEncoderDecoderModel(encoder=ViTModel(ViTConfig(**ENCODER)))
    with pytest.raises(UsageError, match="VisionEncoderDecoderConfig"):
        VisionEncoderDecoderModel(ViTConfig(**ENCODER))


# --- forward -----------------------------------------------------------------------------------


def test_labels_are_shifted_right(model: VisionEncoderDecoderModel) -> None:
    labels = torch.tensor([[5, 6, 7, -100], [8, 2, -100, -100]])
    shifted = model.prepare_decoder_input_ids_from_labels(labels)
    assert shifted.tolist() == [[2, 5, 6, 7], [2, 8, 2, 1]]
    assert labels[0, 3] == -100
    by_labels = model(images(2), labels=labels)
    by_ids = model(images(2), decoder_input_ids=shifted, labels=labels)
    assert torch.equal(by_labels.loss, by_ids.loss)
    assert by_labels.logits.shape == (2, 4, 40)


@pytest.mark.parametrize("name", ["decoder_start_token_id", "pad_token_id"])
def test_labels_need_the_special_tokens(name: str, model: VisionEncoderDecoderModel) -> None:
    expected = model(images(), labels=tokens()).loss
    setattr(model.config, name, None)  # as in published folders, where the decoder's counts
    assert torch.equal(model(images(), labels=tokens()).loss, expected)
    setattr(model.config.decoder, name, None)
    model.init_generation()
    with pytest.raises(UsageError, match=f"set the {name} attribute"):
        model(images(), labels=tokens())
    delattr(model.config, name)
    with pytest.raises(UsageError, match=name):
        model(images(), labels=tokens())


def test_missing_inputs(model: VisionEncoderDecoderModel) -> None:
    with pytest.raises(UsageError, match="You have to specify pixel_values"):
        model(decoder_input_ids=tokens())
    with pytest.raises(UsageError, match="input_ids or inputs_embeds"):
        model(images())
    with pytest.raises(UsageError, match="pixel_values"):
        model.generate()


def test_shapes_of_everything(model: VisionEncoderDecoderModel) -> None:
    output = model(images(), tokens(), output_attentions=True, output_hidden_states=True)
    assert list(output) == [
        "logits",
        "past_key_values",
        "decoder_hidden_states",
        "decoder_attentions",
        "cross_attentions",
        "encoder_last_hidden_state",
        "encoder_hidden_states",
        "encoder_attentions",
    ]
    assert {a.shape for a in output.decoder_attentions} == {(3, 4, 6, 6)}
    assert {a.shape for a in output.cross_attentions} == {(3, 4, 6, 17)}
    assert {a.shape for a in output.encoder_attentions} == {(3, 4, 17, 17)}
    assert {s.shape for s in output.decoder_hidden_states} == {(3, 6, 32)}
    assert len(output.encoder_hidden_states) == 3
    assert dict(output.items()).keys() == dict(**output).keys()
    assert output.get("loss") is None
    with pytest.raises(KeyError):
        output["loss"]
    assert output[0] is output["logits"] is output.logits
    as_tuple = model(images(), tokens(), labels=tokens(), return_dict=False)
    assert len(as_tuple) == 4
    torch.testing.assert_close(as_tuple[1], output.logits, rtol=0, atol=1e-5)


@torch.no_grad()
def test_encoder_outputs_instead_of_images(model: VisionEncoderDecoderModel) -> None:
    want = model(images(), tokens()).logits
    encoded = model.encode(images())
    for given in (encoded, (encoded.last_hidden_state,)):
        assert torch.equal(model(encoder_outputs=given, decoder_input_ids=tokens()).logits, want)
    ids = model.generate(encoder_outputs=encoded)
    assert torch.equal(ids, model.generate(images()))


@torch.no_grad()
def test_padding_of_the_encoder_is_not_read(model: VisionEncoderDecoderModel) -> None:
    states = model.encode(images()).last_hidden_state
    junk = torch.cat((states, torch.full_like(states[:, :4], 9.0)), 1)
    mask = torch.ones(junk.shape[:2])
    mask[:, -4:] = 0
    padded = EncoderOutput(junk, attention_mask=mask)
    outputs = [
        model(encoder_outputs=given, decoder_input_ids=tokens()).logits
        for given in (EncoderOutput(states), padded)
    ]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-5)
    for options in ({}, {"num_beams": 3}, {"use_cache": False}):
        want = model.generate(encoder_outputs=EncoderOutput(states), **options)
        assert torch.equal(model.generate(encoder_outputs=padded, **options), want)


def test_training_lowers_the_loss(model: VisionEncoderDecoderModel) -> None:
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-2)
    losses = []
    for _ in range(8):
        loss = model(pixel_values=images(), labels=tokens()).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


# --- generation settings -----------------------------------------------------------------------


def with_files(folder: Path, config: dict | None = None, generation: dict | None = None):
    """The tiny model with other settings in its config.json and generation_config.json."""
    shutil.copytree(pair("vit").folder, folder)
    values = json.loads((folder / "config.json").read_text())
    for name, value in (config or {}).items():
        (values["decoder"] if name == "max_length" else values)[name] = value
    (folder / "config.json").write_text(json.dumps(values))
    (folder / "generation_config.json").unlink()
    if generation is not None:
        (folder / "generation_config.json").write_text(json.dumps(generation))
    return VisionEncoderDecoderModel.from_pretrained(folder)


def test_settings_count_in_the_stated_order(tmp_path) -> None:
    model = with_files(
        tmp_path / "m",
        config={"num_beams": 2, "length_penalty": 2.0, "no_repeat_ngram_size": 3, "min_length": 4},
        generation={"num_beams": 3, "length_penalty": 3.0, "no_repeat_ngram_size": 4},
    )
    given = GenerationConfig(num_beams=5, length_penalty=5.0)
    settings = model.generation_settings(given, num_beams=6)
    found = (
        settings.num_beams,
        settings.length_penalty,
        settings.no_repeat_ngram_size,
        settings.min_length,
        settings.decoder_start_token_id,
        settings.eos_token_id,
    )
    assert found == (6, 5.0, 4, 4, 2, 2)


@pytest.mark.parametrize(
    ("config", "generation", "length"),
    [
        ({"max_length": 20}, None, POSITIONS),
        ({"max_length": 20}, {"max_length": 20}, POSITIONS),
        ({"max_length": 20}, {"max_length": 9}, 9),
        ({"max_length": 7}, None, 7),
    ],
)
def test_a_length_of_20_is_no_choice(config, generation, length: int, tmp_path) -> None:
    model = with_files(tmp_path / "m", config, generation)
    assert model.generate(images()).shape[1] == length
    assert model.generate(images(), max_length=20).shape[1] == min(20, POSITIONS)


def test_settings_can_be_set_on_the_configuration(model: VisionEncoderDecoderModel) -> None:
    model.config.max_length = 8
    assert model.generate(images()).shape[1] == 8


def test_saved_settings_say_what_the_model_does(tmp_path) -> None:
    model = with_files(tmp_path / "m", config={"num_beams": 2, "max_length": 20})
    model.save_pretrained(tmp_path / "again")
    saved = json.loads((tmp_path / "again" / "generation_config.json").read_text())
    assert saved == {
        "bos_token_id": 0,
        "decoder_start_token_id": 2,
        "eos_token_id": 2,
        "num_beams": 2,
        "pad_token_id": 1,
    }


def test_bad_settings_are_clear_errors(model: VisionEncoderDecoderModel, tmp_path) -> None:
    with pytest.raises(UsageError, match="num_beems"):
        model.generate(images(), num_beems=4)
    with pytest.raises(CheckpointError, match="num_beams"):
        with_files(tmp_path / "m", generation={"num_beams": 0})
    with pytest.raises(UsageError, match="decoder_start_token_id"):
        model.generate(images(), decoder_start_token_id=None, bos_token_id=None)


def test_a_prompt_and_a_start_token(model: VisionEncoderDecoderModel) -> None:
    prompt = torch.tensor([[2, 7], [2, 8], [2, 9]])
    ids = model.generate(images(), decoder_input_ids=prompt, max_new_tokens=3)
    assert ids.shape == (3, 5)
    assert torch.equal(ids[:, :2], prompt)
    assert model.generate(images(), decoder_start_token_id=0)[:, 0].tolist() == [0, 0, 0]
