"""Whatever guesses a text, the texts are those of greedy decoding; only the time differs."""

from __future__ import annotations

import random

import pytest
import torch
from line_models import (
    decoded,
    save_tiny_model,
    text_picture,
    tiny_line_model,
    tiny_processor,
)
from reference_models import POSITIONS, VARIANTS, images, pair

from trocr.cli import main
from trocr.decoding import RepetitionGuard, allow_characters
from trocr.draft_head import CONFIG, DraftHead, DraftHeadConfig, stored_draft_head
from trocr.drafts import CTCDrafter, DraftCounts, TextDrafter
from trocr.errors import CheckpointError, UsageError
from trocr.hybrid import EncodedLines, HybridDecoder
from trocr.image_processor import ViTImageProcessor
from trocr.processor import TrOCRProcessor
from trocr.recognizer import Recognizer, load
from trocr.tokenizer import Tokenizer

LINES = 50
CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"  # and 4 special tokens: the tiny vocabulary
PICTURES = [text_picture(text) for text in ("1", "ABC", "12.50", "0123456789", "A-B", "J/2024")]


def vocabulary(model):
    return model.config.decoder.vocab_size


def encoded_lines(model, count=LINES):
    return EncodedLines(list(range(count)), model.encode(images(count)))


def decoder_of(model, *, constraint=None, guard=None, **settings):
    return HybridDecoder(model, model.generation_settings(**settings), constraint, guard)


def exit_code(*command):
    with pytest.raises(SystemExit) as ended:
        main(command)
    return ended.value.code


def searched(decoder, lines):
    return [found[0] for found in decoder._search(lines.encoded)]


def read_with(decoder, lines, drafts, batch_size):
    """The decoder's readings of the lines in their order."""
    batches = []
    for start in range(0, len(lines), batch_size):
        batch = lines.select(list(range(start, min(start + batch_size, len(lines)))))
        guessed = drafts[start : start + batch_size]
        batches.append(EncodedLines(batch.numbers, batch.encoded, guessed))
    found = {
        number: hypotheses[0]
        for part, readings in decoded(decoder, batches, batch_size)
        for number, hypotheses in zip(part.numbers, readings, strict=True)
    }
    return [found[number] for number in range(len(lines))]


def same(found, greedy):
    for ours, theirs in zip(found, greedy, strict=True):
        assert ours.token_ids == theirs.token_ids
        assert ours.finish_reason == theirs.finish_reason
        assert ours.token_logprobs == pytest.approx(theirs.token_logprobs, abs=1e-3)


def erring(token_ids, vocab_size, rng):
    """A few tokens replaced, left out or put in."""
    draft = list(token_ids)
    for _ in range(rng.randint(1, 3)):
        place, token = rng.randint(0, len(draft)), rng.randrange(vocab_size)
        draft[place : place + rng.randint(0, 1)] = [token] * rng.randint(0, 1)
    return draft


def kinds_of_drafts(greedy, vocab_size, rng):
    ids = [hypothesis.token_ids for hypothesis in greedy]
    return {
        "right": ids,
        "erring": [erring(row, vocab_size, rng) for row in ids],
        "random": [rng.choices(range(vocab_size), k=rng.randint(0, 30)) for _ in ids],
        "empty": [[] for _ in ids],
        "too long": [[*row, *rng.choices(range(3, vocab_size), k=3 * POSITIONS)] for row in ids],
        "impossible": [[*row[: rng.randint(0, 9)], 10**6, 1, 2, 5] for row in ids],
    }


def frequent_token(greedy):
    """As an end, it leaves texts of many lengths."""
    later = [token for hypothesis in greedy for token in hypothesis.token_ids[4:]]
    return max(set(later) - {1, 2}, key=later.count)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.parametrize("ending", [False, True])
@torch.inference_mode()
def test_the_draft_does_not_matter(variant, ending):
    """3,000 drafts in all, each alone and in a batch."""
    model = pair(variant).ours
    lines = encoded_lines(model)
    decoder = decoder_of(model)
    greedy = searched(decoder, lines)
    if ending:
        decoder = decoder_of(model, eos_token_id=frequent_token(greedy))
        greedy = searched(decoder, lines)
        assert "eos" in {hypothesis.finish_reason for hypothesis in greedy}
    possible = sum(1 not in hypothesis.token_ids for hypothesis in greedy)  # none writes padding
    drafts = kinds_of_drafts(greedy, vocabulary(model), random.Random(5))
    for kind, guessed in drafts.items():
        decoder.counts = DraftCounts()
        same(read_with(decoder, lines, guessed, 1), greedy)
        alone = decoder.counts.accepted
        same(read_with(decoder, lines, guessed, 64), greedy)
        assert decoder.counts.proposed == 2 * LINES
        assert decoder.counts.accepted == 2 * alone
        if kind == "right":
            assert alone == possible
            assert decoder.counts.acceptance_rate == possible / LINES


@torch.inference_mode()
def test_rules_of_the_search_hold_along_a_draft():
    model = pair("vit").ours
    lines = encoded_lines(model, 40)
    strings = [None] * 3 + [CHARACTERS[i % 10] for i in range(vocabulary(model) - 3)]
    for rules in (
        {"guard": RepetitionGuard(max_run=4, max_rule_run=4, min_copies=2)},
        {"constraint": allow_characters("2-5", strings, 2)},
        {"no_repeat_ngram_size": 2},
        {"repetition_penalty": 1.5},
        {"max_new_tokens": 7},
        {"suppress_tokens": [39]},
    ):
        decoder = decoder_of(model, **rules)
        greedy = searched(decoder, lines)
        free = searched(decoder_of(model), lines)
        assert [h.token_ids for h in greedy] != [h.token_ids for h in free], rules
        for drafts in (greedy, free):
            ids = [hypothesis.token_ids for hypothesis in drafts]
            same(read_with(decoder, lines, ids, 1), greedy)
            same(read_with(decoder, lines, ids, 16), greedy)


@torch.inference_mode()
def test_a_draft_spares_passes():
    model = pair("vit").ours
    lines = encoded_lines(model, 20)
    decoder = decoder_of(model)
    tokens = 0
    passes = {"right": 0, "one wrong": 0, "one missing": 0}
    for row, greedy in enumerate(searched(decoder, lines)):
        ids = greedy.token_ids
        tokens += len(ids)
        wrong = [*ids[:5], 3 + (ids[5] - 2) % 30, *ids[6:]]
        for kind, draft in zip(passes, (ids, wrong, ids[:5] + ids[6:]), strict=True):
            line = lines.select([row])
            pool = decoder.drafted_pool()
            _, found = decoder.read_drafts(EncodedLines([0], line.encoded, [draft]), pool)
            while not found:
                found = pool.advance()
            assert decoder.written(found[0]).token_ids == ids
            passes[kind] += pool.passes
    assert passes["right"] == len(lines)
    assert max(passes.values()) < tokens / 3


@torch.inference_mode()
def test_a_ctc_head_drafts():
    model = tiny_line_model(14)
    inputs = tiny_processor().image_processor(PICTURES, return_tensors="pt")
    encoded = model.encode(**inputs)
    drafts = CTCDrafter(model.config.encoder.ctc_blank_token_id)(PICTURES, encoded)
    decoder = decoder_of(model)
    lines = EncodedLines(list(range(len(PICTURES))), encoded)
    greedy = searched(decoder, lines)
    for batch_size in (1, 4):
        batches = [
            EncodedLines([row], lines.select([row]).encoded, [drafts[row]])
            for row in range(len(lines))
        ]
        for part, found in decoded(decoder, batches, batch_size):
            for number, hypotheses in zip(part.numbers, found, strict=True):
                texts = [hypothesis.token_ids for hypothesis in hypotheses]
                assert greedy[number].token_ids in texts
                assert decoder._cut(drafts[number]) in texts, "a hypothesis of its own"


def tiny_checkpoint(folder):
    processor = TrOCRProcessor(
        ViTImageProcessor(size={"height": 16, "width": 16}), Tokenizer.from_characters(CHARACTERS)
    )
    pair("vit").ours.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def summary(results):
    return [(r.text, r.finish_reason, round(r.confidence, 4), r.token_ids) for r in results]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_texts_are_drafts_in_the_models_own_tokens(tmp_path, batch_size):
    plain = load(tiny_checkpoint(tmp_path), device="cpu")
    greedy = plain.read_lines(PICTURES)
    texts = iter([greedy[2].text, "", "no such text</s><pad>", "ÄÖÜ\n日本", "z" * 999, "<s>"] * 9)
    model, tokenizer = plain.model, plain.processor.tokenizer
    drafter = TextDrafter(lambda pictures, _: [next(texts) for _ in pictures], model, tokenizer)
    reader = Recognizer(model, plain.processor, drafter=drafter)
    assert summary(reader.read_lines(PICTURES, batch_size=batch_size)) == summary(greedy)
    assert reader.drafts.proposed == len(PICTURES)
    beams = summary(plain.read_lines(PICTURES, num_beams=3))
    assert summary(reader.read_lines(PICTURES, num_beams=3)) == beams
    assert reader.drafts.proposed == len(PICTURES), "a beam search has no use for drafts"


def test_another_model_drafts(tmp_path):
    folder = tiny_checkpoint(tmp_path / "large")
    save_tiny_model(tmp_path / "small")
    plain = load(folder, device="cpu")
    reader = load(folder, device="cpu", draft=tmp_path / "small")
    assert plain.drafter is None
    assert summary(reader.read_lines(PICTURES)) == summary(plain.read_lines(PICTURES))
    assert reader.drafts.proposed == len(PICTURES)
    with pytest.raises(UsageError, match="CTC head"):
        load(tmp_path / "small", draft=folder)


def test_the_command_line_names_a_draft(tmp_path, capsys):
    folder, small = tiny_checkpoint(tmp_path / "large"), tmp_path / "small"
    save_tiny_model(small)
    picture = tmp_path / "line.png"
    PICTURES[0].save(picture)
    command = ["read", "--lines", str(picture), "--model"]
    assert exit_code(*command, str(folder)) == 0
    plain = capsys.readouterr().out
    assert exit_code(*command, str(folder), "--draft", str(small)) == 0
    assert capsys.readouterr().out == plain
    assert exit_code(*command, str(small), "--draft", str(folder)) == 2
    assert "CTC head" in capsys.readouterr().err


def test_a_stored_head_drafts(tmp_path):
    plain = load(tiny_checkpoint(tmp_path), device="cpu")
    config = DraftHeadConfig(CHARACTERS, encoder_width=32, rows=4, columns=4, hidden_size=16)
    DraftHead(config).save(tmp_path, {"accepted": 0.0})
    reader = load(tmp_path, device="cpu")
    assert stored_draft_head(tmp_path).config == config
    assert summary(reader.read_lines(PICTURES)) == summary(plain.read_lines(PICTURES))
    assert reader.drafts.proposed == len(PICTURES)
    assert "drafts" in reader.describe_decoding()
    assert "drafts" not in plain.describe_decoding()


def test_a_damaged_head_is_named(tmp_path):
    tiny_checkpoint(tmp_path)
    for content in ("{", "[]", '{"characters": "ab"}'):
        (tmp_path / CONFIG).write_text(content)
        with pytest.raises(CheckpointError, match="optimize draft"):
            load(tmp_path)


def test_without_drafts_there_is_no_rate():
    assert DraftCounts().acceptance_rate is None
