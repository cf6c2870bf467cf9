import random

import pytest
import torch
from line_models import (
    decoded,
    noise_picture,
    text_picture,
    tiny_line_model,
    tiny_processor,
    tiny_recognizer,
)
from PIL import Image

from trocr.decoding import RepetitionGuard
from trocr.errors import CheckpointError, ImageError, UsageError
from trocr.generation_config import GenerationConfig
from trocr.hybrid import EncodedLines, HybridDecoder
from trocr.recognizer import load

TEXTS = ["1", "ABC", "12.50", "0123456789", "A-B", "J", "2024/11/22", "ABCDEFGHIJ 0123456789"]
PICTURES = [text_picture(text) for text in TEXTS]


@pytest.fixture(scope="module")
def reader():
    return tiny_recognizer(3)


@pytest.fixture(scope="module")
def results(reader):
    return reader.read_lines(PICTURES)


def summary(results):
    return [(r.text, r.finish_reason, round(r.confidence, 4), r.token_ids) for r in results]


def test_one_result_a_picture(results):
    assert len(results) == len(PICTURES)
    assert len({result.text for result in results}) > 1
    for result in results:
        assert 0 <= result.confidence <= 1
        assert result.finish_reason in {"eos", "length", "blank", "repetition"}
        if result.finish_reason == "eos":
            assert "".join(token.text for token in result.tokens).strip() == result.text
            assert all(0 <= token.confidence <= 1 for token in result.tokens)


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_batch_does_not_matter(reader, results, batch_size):
    assert summary(reader.read_lines(PICTURES, batch_size=batch_size)) == summary(results)


def test_the_order_does_not_matter(reader, results):
    order = random.Random(1).sample(range(len(PICTURES)), len(PICTURES))
    shuffled = reader.read_lines([PICTURES[i] for i in order])
    assert summary(shuffled) == [summary(results)[i] for i in order]


def test_no_pictures_no_results(reader):
    assert reader.read_lines([]) == []


def test_blank_and_noise_crops_have_no_text(reader):
    blanks = [Image.new("L", (120, 32), 240), noise_picture(32, 120, 3), PICTURES[1]]
    found = reader.read_lines(blanks)
    assert [r.finish_reason for r in found[:2]] == ["blank", "blank"]
    assert [r.text for r in found[:2]] == ["", ""]


def test_n_best_is_sorted_and_starts_with_the_text(reader):
    for result in reader.read_lines(PICTURES, n_best=3):
        assert result.n_best[0].text == result.text
        assert len(result.n_best) <= 3


@pytest.mark.parametrize("num_beams", [1, 4])
@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"allow": "0-9./"}, lambda text: set(text) <= set("0123456789./")),
        ({"regex": r"\d{2}\.\d"}, lambda text: len(text) == 4 and text[2] == "."),
        ({"lexicon": ["ABC", "12.50", "A-B"]}, lambda text: text in {"ABC", "12.50", "A-B"}),
    ],
)
def test_constraints_hold(reader, num_beams, rule, holds):
    found = reader.read_lines(PICTURES, num_beams=num_beams, **rule)
    assert all(holds(result.text) for result in found), [result.text for result in found]
    alone = [reader.read_lines([p], num_beams=num_beams, **rule)[0] for p in PICTURES]
    assert summary(alone) == summary(found)


def test_a_model_asks_for_its_beams():
    reader = tiny_recognizer(3)
    greedy, searched = reader.read_lines(PICTURES), reader.read_lines(PICTURES, num_beams=4)
    assert summary(greedy) != summary(searched)
    reader.model.generation_config = reader.model.generation_config.merged(num_beams=4)
    assert reader.num_beams == 4
    assert "4 beams" in reader.describe_decoding()
    assert summary(reader.read_lines(PICTURES)) == summary(searched)
    assert summary(reader.read_lines(PICTURES, num_beams=1)) == summary(greedy)
    with pytest.raises(UsageError, match="num_beams=0"):
        reader.read_lines(PICTURES, num_beams=0)


def test_two_rules_are_one_too_many(reader):
    with pytest.raises(UsageError, match="one"):
        reader.read_lines(PICTURES, allow="0-9", regex=r"\d+")


def test_a_bad_picture_is_an_image_error(reader, tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    with pytest.raises(ImageError, match=r"broken\.png"):
        reader.read_lines([tmp_path / "broken.png"])


def test_load_from_a_folder(reader, results, tmp_path):
    reader.model.save_pretrained(tmp_path)
    reader.processor.save_pretrained(tmp_path)
    again = load(tmp_path, device="cpu")
    assert summary(again.read_lines(PICTURES)) == summary(results)
    assert again.dtype == torch.float32


def test_load_refuses_what_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="Bundled models"):
        load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="cpu"):
        load(tmp_path, device="warp-drive")


def encoded_lines(model):
    inputs = tiny_processor().image_processor(PICTURES, return_tensors="pt")
    return model.encode(**inputs)


def settings(model, **overrides):
    return model.generation_settings(GenerationConfig(**overrides))


@torch.inference_mode()
def test_an_accepted_draft_is_what_greedy_writes():
    """Force agreement by making the drafts the decoder's own greedy texts."""
    model = tiny_line_model(14)
    encoded = encoded_lines(model)
    decoder = HybridDecoder(model, settings(model))
    greedy = [line[0] for line in decoder._search(encoded)]
    drafts = [h.token_ids for h in greedy]
    numbers = list(range(len(drafts)))
    readings, agreed = decoder.verified(EncodedLines(numbers, encoded, drafts))
    assert {h.finish_reason for h in greedy} == {"eos", "length"}
    assert agreed == numbers
    for reading, hypothesis in zip(readings, greedy, strict=True):
        assert reading.finish_reason == hypothesis.finish_reason
        assert reading.token_logprobs == pytest.approx(hypothesis.token_logprobs, abs=1e-4)
    too_long = [[*ids, 5] for ids in drafts]
    longer, _ = decoder.verified(EncodedLines(numbers, encoded, too_long))
    for reading, hypothesis in zip(longer, greedy, strict=True):
        if hypothesis.finish_reason == "length":
            assert reading.token_ids == hypothesis.token_ids, "cut where the table ends"
    wrong = [[*ids[:-1], (ids[-1] + 1) % 28] if ids else [5] for ids in drafts]
    assert decoder.verified(EncodedLines(numbers, encoded, wrong))[1] == []


@torch.inference_mode()
def test_hypotheses_are_sorted_by_the_joint_score():
    model = tiny_line_model(3)
    encoded = encoded_lines(model)
    decoder = HybridDecoder(
        model, settings(model, num_beams=4, num_return_sequences=4), guard=RepetitionGuard()
    )
    [(_, found)] = decoded(decoder, [EncodedLines(list(range(len(PICTURES))), encoded)], 32)
    for line in found:
        scores = [hypothesis.logprob for hypothesis in line]
        assert scores == sorted(scores, reverse=True)
        texts = [tuple(hypothesis.token_ids) for hypothesis in line]
        assert len(set(texts)) == len(texts)
