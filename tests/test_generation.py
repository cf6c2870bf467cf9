"""Which settings count when a model writes, where a prompt starts, and the decoder by itself."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
import torch
import transformers
from reference_models import (
    POSITIONS,
    VARIANTS,
    Pair,
    images,
    pair,
    randomise,
    reference_config,
    tokens,
)

from trocr.decoder import TrOCRForCausalLM
from trocr.generation_config import GenerationConfig
from trocr.model import VisionEncoderDecoderModel

# As the published folders have it, beside a config.json without these tokens.
PUBLISHED = {
    "_from_model_config": True,
    "bos_token_id": 0,
    "decoder_start_token_id": 2,
    "eos_token_id": 2,
    "max_length": 20,
    "pad_token_id": 1,
    "use_cache": False,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A published folder: generation settings in two files, and 20 as the library's limit."""
    config = reference_config(VARIANTS["vit"])
    randomise(transformers.VisionEncoderDecoderModel(config)).save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    for name in ("decoder_start_token_id", "pad_token_id", "eos_token_id"):
        del values[name]
    values["decoder"] |= {"max_length": 20, "num_beams": 1, "use_cache": False}
    (tmp_path / "config.json").write_text(json.dumps(values))
    (tmp_path / "generation_config.json").write_text(json.dumps(PUBLISHED))
    return tmp_path


def test_a_published_folder_sets_no_limit(folder: Path) -> None:
    settings = VisionEncoderDecoderModel.from_pretrained(folder).generation_settings()
    assert (settings.max_length, settings.num_beams) == (None, 1)
    assert (settings.decoder_start_token_id, settings.eos_token_id) == (2, 2)


def test_the_references_settings_count_too(folder: Path) -> None:
    model = VisionEncoderDecoderModel.from_pretrained(folder)
    given = transformers.GenerationConfig(num_beams=3, max_new_tokens=7)
    settings = model.generation_settings(given)
    assert (settings.num_beams, settings.max_new_tokens) == (3, 7)


def test_the_fine_tuning_tutorials_way_to_set_things_counts(folder: Path, tmp_path: Path) -> None:
    model = VisionEncoderDecoderModel.from_pretrained(folder)
    model.config.decoder_start_token_id = 0
    model.config.pad_token_id = 1
    model.config.vocab_size = model.config.decoder.vocab_size
    model.config.eos_token_id = 2
    model.config.max_length = 13
    model.config.early_stopping = True
    model.config.no_repeat_ngram_size = 1
    model.config.length_penalty = 2.0
    model.config.num_beams = 4
    written = model.generate(images())
    assert written.shape[1] <= 13
    assert written[:, 0].tolist() == [0, 0, 0]
    for row in written.tolist():
        line = [token for token in row if token > 2]
        assert len(set(line)) == len(line)
    asked = VisionEncoderDecoderModel.from_pretrained(folder).generate(
        images(),
        decoder_start_token_id=0,
        max_length=13,
        early_stopping=True,
        no_repeat_ngram_size=1,
        length_penalty=2.0,
        num_beams=4,
    )
    assert written.tolist() == asked.tolist()
    model.save_pretrained(tmp_path / "tuned")
    for library in (VisionEncoderDecoderModel, transformers.VisionEncoderDecoderModel):
        again = library.from_pretrained(tmp_path / "tuned").generate(images())
        assert again.tolist() == written.tolist()


def test_what_is_set_last_and_closest_counts(folder: Path) -> None:
    model = VisionEncoderDecoderModel.from_pretrained(folder)
    model.generation_config.max_length = 11
    assert model.generation_settings().max_length == 11
    model.config.max_length = 12
    assert model.generation_settings().max_length == 12
    given = GenerationConfig(max_length=13)
    assert model.generation_settings(given).max_length == 13
    assert model.generation_settings(given, max_length=14).max_length == 14


def test_adamw_lowers_the_loss(folder: Path) -> None:
    model = VisionEncoderDecoderModel.from_pretrained(folder).train()
    model.config.decoder_start_token_id, model.config.pad_token_id = 2, 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(5):
        loss = model(pixel_values=images(), labels=tokens()).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    head = model.decoder.output_projection.weight
    assert head is model.decoder.model.decoder.embed_tokens.weight


@pytest.fixture
def models() -> Pair:
    return pair("vit")


def test_a_prompt_gets_the_start_token_in_front(models: Pair) -> None:
    for first in ([5, 6, 7], [2, 6, 7], [2, 2, 2]):
        prompt = torch.tensor([[token, 9] for token in first])
        ours = models.ours.generate(images(), decoder_input_ids=prompt)
        theirs = models.theirs.generate(images(), decoder_input_ids=prompt, max_length=POSITIONS)
        assert ours.tolist() == theirs.tolist()


def test_encoder_outputs_of_any_kind_are_taken(models: Pair) -> None:
    expected = models.ours.generate(images()).tolist()
    as_tuple = models.ours.encoder(images(), return_dict=False)
    theirs = transformers.modeling_outputs.BaseModelOutput(last_hidden_state=as_tuple[0])
    for encoded in (as_tuple, theirs, models.ours.encode(images())):
        assert models.ours.generate(encoder_outputs=encoded).tolist() == expected
        models.ours(encoder_outputs=encoded, decoder_input_ids=tokens())


def test_copies_and_pickles_write_the_same(models: Pair) -> None:
    expected = models.ours.generate(images()).tolist()
    for again in (copy.deepcopy(models.ours), pickle.loads(pickle.dumps(models.ours))):
        assert again.generate(images()).tolist() == expected
        assert again.decoder.config is again.config.decoder


def test_half_precision_writes(models: Pair) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        model = copy.deepcopy(models.ours).to(dtype)
        assert model.dtype == dtype
        assert model.generate(images(), max_new_tokens=3).shape == (3, 4)


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_decoder_writes_by_itself(models: Pair, num_beams: int, use_cache: bool) -> None:
    prompt = tokens(length=2)
    options = {"num_beams": num_beams, "use_cache": use_cache}
    expected = models.theirs.decoder.generate(prompt, max_length=POSITIONS, **options)
    assert models.ours.decoder.generate(prompt, **options).tolist() == expected.tolist()


@pytest.mark.parametrize("num_beams", [1, 3])
def test_the_decoder_reads_encoder_states(models: Pair, num_beams: int) -> None:
    states = models.ours.encode(images()).last_hidden_state
    prompt = torch.full((3, 1), 2)
    ours = models.ours.decoder.generate(prompt, encoder_hidden_states=states, num_beams=num_beams)
    assert ours.tolist() == models.ours.generate(images(), num_beams=num_beams).tolist()


def test_a_decoder_folder_keeps_its_settings(models: Pair, tmp_path: Path) -> None:
    decoder = copy.deepcopy(models.ours.decoder)
    decoder.generation_config.max_new_tokens = 4
    decoder.save_pretrained(tmp_path)
    again = TrOCRForCausalLM.from_pretrained(tmp_path)
    assert again.generate(tokens(length=2)).shape == (3, 6)
