"""The search settings: validation, merging, and the published JSON."""

import json

import pytest
import transformers

from trocr.errors import CheckpointError, UsageError
from trocr.generation_config import GenerationConfig


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"num_beams": 0}, "num_beams"),
        ({"num_beams": True}, "num_beams"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"repetition_penalty": -1.0}, "repetition_penalty"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"max_length": 2.5}, "max_length"),
        ({"early_stopping": "always"}, "early_stopping"),
        ({"num_return_sequences": 2}, "num_return_sequences"),
        ({"num_return_sequences": 3, "num_beams": 2}, "num_return_sequences"),
        ({"bad_words_ids": [[]]}, "bad_words_ids"),
        ({"suppress_tokens": ["a"]}, "suppress_tokens"),
        ({"eos_token_id": [1, -2]}, "eos_token_id"),
        ({"suppress_tokens": [2, 3], "forced_eos_token_id": 2}, "forced_eos_token_id"),
    ],
)
def test_impossible_settings_are_named(settings, named):
    with pytest.raises(UsageError, match=named):
        GenerationConfig(**settings)


def test_no_length_limit_by_default_and_none_means_the_default():
    config = GenerationConfig.from_dict({"num_beams": None, "max_length": None, "top_k": None})
    assert (config.num_beams, config.max_length, config.top_k) == (1, None, 50)


def test_merged_changes_a_copy():
    config = GenerationConfig(num_beams=4, extra={"library": "1"})
    changed = config.merged(max_length=9, num_beams=None)
    assert (changed.max_length, changed.num_beams, changed.extra) == (9, 1, {"library": "1"})
    assert (config.max_length, config.num_beams) == (None, 4)


def test_merged_names_an_unknown_setting():
    with pytest.raises(UsageError, match="num_beans"):
        GenerationConfig().merged(num_beans=3)
    with pytest.raises(UsageError, match="num_beams"):
        GenerationConfig().merged(num_beams=0)


def test_file_keeps_unknown_keys(tmp_path):
    values = {"num_beams": 4, "eos_token_id": [2, 3], "_from_model_config": True, "x": {"y": 1}}
    (tmp_path / "generation_config.json").write_text(json.dumps(values))
    config = GenerationConfig.from_pretrained(tmp_path)
    assert config.eos_token_ids == [2, 3]
    config.save_pretrained(tmp_path / "copy")
    assert json.loads((tmp_path / "copy" / "generation_config.json").read_text()) == values


def test_transformers_and_we_read_each_other(tmp_path):
    settings = {"num_beams": 4, "length_penalty": 2.0, "early_stopping": "never", "max_length": 64}
    transformers.GenerationConfig(**settings, pad_token_id=1).save_pretrained(tmp_path / "theirs")
    ours = GenerationConfig.from_pretrained(tmp_path / "theirs")
    assert all(getattr(ours, name) == value for name, value in settings.items())
    ours.save_pretrained(tmp_path / "ours")
    theirs = transformers.GenerationConfig.from_pretrained(tmp_path / "ours")
    assert all(getattr(theirs, name) == value for name, value in settings.items())
    assert theirs.pad_token_id == 1


@pytest.mark.parametrize("content", [None, "{", "[1]", '{"num_beams": 0}'])
def test_bad_file_is_a_checkpoint_error_that_names_it(tmp_path, content):
    if content is not None:
        (tmp_path / "generation_config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"generation_config\.json"):
        GenerationConfig.from_pretrained(tmp_path)


def test_update_changes_in_place_and_can_leave_what_is_set() -> None:
    config = GenerationConfig(max_length=9, extra={"other": 1})
    config.update(num_beams=2, max_length=7)
    config.update(defaults_only=True, max_length=20, min_new_tokens=3)
    assert config == GenerationConfig(
        max_length=7, num_beams=2, min_new_tokens=3, extra={"other": 1}
    )
    with pytest.raises(UsageError, match="num_beems"):
        config.update(num_beems=2)
