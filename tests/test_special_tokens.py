"""Start, end and padding: models and tokenizers that agree on them, and those that do not."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import pytest
import torch
from line_models import CHARACTERS, save_tiny_model, tiny_line_model, tiny_processor
from reference_models import images, pair
from test_tokenizer import SHARED, byte_level_folder

from trocr.config import VisionEncoderDecoderConfig
from trocr.errors import CheckpointError
from trocr.generation_config import GenerationConfig
from trocr.model import VisionEncoderDecoderModel
from trocr.processor import TrOCRProcessor
from trocr.recognizer import Recognizer, load
from trocr.special_tokens import IGNORED, SpecialTokens, check_special_tokens
from trocr.tokenizer import Tokenizer


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer.from_characters(CHARACTERS)


def saved(folder: Path, **values: int) -> Path:
    """The tiny model, its folder saying something else."""
    save_tiny_model(folder)
    model = VisionEncoderDecoderModel.from_pretrained(folder)
    for name, value in values.items():
        setattr(model.config, name, value)
    model.save_pretrained(folder)
    return folder


def test_the_tokens_of_a_model_and_its_tokenizer(tokenizer: Tokenizer) -> None:
    assert check_special_tokens(tiny_line_model(), tokenizer) == SpecialTokens(0, 0, 1, 2, 3)


def test_a_missing_start_is_the_decoders(tmp_path: Path) -> None:
    model, tokenizer = published_small(tmp_path)
    assert getattr(model.config, "decoder_start_token_id", None) is None
    assert check_special_tokens(model, tokenizer).start == 2
    labels = torch.tensor([[5, 6, 2]])
    assert model.prepare_decoder_input_ids_from_labels(labels).tolist() == [[2, 5, 6]]


def published_small(tmp_path: Path) -> tuple[VisionEncoderDecoderModel, Tokenizer]:
    """A tied model as its published ``config.json`` is: the special tokens in the decoder only."""
    tokenizer = Tokenizer.from_pretrained(byte_level_folder(tmp_path / "r"))
    values = pair("vit").ours.config.to_dict()
    for name in ("decoder_start_token_id", "pad_token_id"):
        del values[name]
    values["decoder"]["vocab_size"] = len(tokenizer)
    return VisionEncoderDecoderModel(VisionEncoderDecoderConfig.from_dict(values)), tokenizer


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data")
def test_the_published_small_files_pass() -> None:
    class Small:
        config = VisionEncoderDecoderConfig.from_pretrained(SHARED)

        def generation_settings(self) -> GenerationConfig:
            ids = ("decoder_start_token_id", "pad_token_id", "eos_token_id")
            return GenerationConfig(**{name: getattr(self.config.decoder, name) for name in ids})

    tokens = check_special_tokens(Small(), Tokenizer.from_pretrained(SHARED))
    assert tokens == SpecialTokens(2, 0, 1, 2, 3)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"decoder_start_token_id": 9},
            r"decoder_start_token_id is 9, which is '4'.*to 2 \(</s>\)",
        ),
        ({"eos_token_id": 0}, r"eos_token_id is 0, which is '<s>'.*to 2 \(</s>\)"),
        ({"eos_token_id": [5, 6]}, r"eos_token_id is \[5, 6\]\."),
        ({"pad_token_id": 7}, r"pad_token_id is 7, which is '2'.*to 1 \(<pad>\)"),
        ({"pad_token_id": 5000}, r"pad_token_id is 5000\."),
    ],
)
def test_what_makes_garbage_does_not_load(values, said: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=said):
        load(saved(tmp_path / "m", **values), device="cpu")


@pytest.mark.parametrize(
    "values", [{"decoder_start_token_id": 2}, {"pad_token_id": 2}, {"eos_token_id": [2, 5]}]
)
def test_what_does_no_harm_loads(values, tmp_path: Path) -> None:
    assert load(saved(tmp_path / "m", **values), device="cpu").has_ctc_head


@pytest.mark.parametrize(
    "characters", [CHARACTERS + "é", CHARACTERS + "".join(map(chr, range(0x4E00, 0x5300)))]
)
def test_a_larger_vocabulary_is_another_ones(characters: str) -> None:
    processor = TrOCRProcessor(
        tiny_processor().image_processor, Tokenizer.from_characters(characters)
    )
    with pytest.raises(CheckpointError, match=f"{4 + len(characters)} tokens.*vocab_size is 28"):
        Recognizer(tiny_line_model(), processor)


def test_rows_without_a_token_are_few(tokenizer: Tokenizer) -> None:
    model = tiny_line_model()
    model.config.decoder.vocab_size = 1024
    check_special_tokens(model, tokenizer)
    model.config.decoder.vocab_size = 50265
    with pytest.raises(CheckpointError, match="vocab_size is 50265"):
        check_special_tokens(model, tokenizer)


def test_special_tokens_on_top_of_the_vocabulary_do_no_harm(tmp_path: Path) -> None:
    model, tokenizer = published_small(tmp_path)
    tokenizer.backend.add_special_tokens(["<line>"])
    check_special_tokens(model, tokenizer)
    tokenizer.backend.add_tokens(["中"])
    with pytest.raises(CheckpointError, match="vocab_size"):
        check_special_tokens(model, tokenizer)


def test_they_are_written_everywhere(tmp_path: Path) -> None:
    model = copy.deepcopy(pair("vit").ours)
    SpecialTokens(start=4, bos=5, pad=6, eos=7, unk=8).give_to(model)
    for settings in (model.generation_settings(), model.config, model.config.decoder):
        ids = (settings.decoder_start_token_id, settings.bos_token_id)
        assert (*ids, settings.pad_token_id, settings.eos_token_id) == (4, 5, 6, 7)
    assert model.generate(images(), max_new_tokens=2)[:, 0].tolist() == [4, 4, 4]


def test_labels_of_another_vocabulary(tokenizer: Tokenizer) -> None:
    model = copy.deepcopy(pair("vit").ours)
    with pytest.raises(CheckpointError, match=r"id 40, but the model's vocab_size is 40"):
        model(images(1), labels=torch.tensor([[40, 2]]))


def test_padding_in_labels_is_said() -> None:
    model = copy.deepcopy(pair("vit").ours)
    with pytest.warns(UserWarning, match=r"pad_token_id \(1\).*-100") as said:
        padded = model(images(1), labels=torch.tensor([[5, 2, 1]])).loss
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ignored = model(images(1), labels=torch.tensor([[5, 2, IGNORED]])).loss
    assert padded != ignored
