"""Lines that come and go while others are read get the results that they get alone."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain, islice
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from line_models import text_picture, tiny_recognizer
from PIL import Image
from reference_models import VARIANTS, images, pair

import trocr
from trocr.decoding import RepetitionGuard
from trocr.errors import ImageError, UsageError
from trocr.flow import Flow
from trocr.generation import DecoderSteps
from trocr.hybrid import EncodedLines, HybridDecoder
from trocr.image_processor import ViTImageProcessor
from trocr.line_result import LineResult
from trocr.model import VisionEncoderDecoderModel
from trocr.processor import TrOCRProcessor
from trocr.recognizer import CPU_GROUP, Recognizer
from trocr.tokenizer import Tokenizer


def bars_picture(seed: int) -> Image.Image:
    """Bars of all shades: to tiny models, texts look too much alike."""
    rng, picture = random.Random(seed), Image.new("L", (64, 64), 255)
    for _ in range(4):
        left, top = rng.randrange(50), rng.randrange(50)
        box = (left, top, left + rng.randint(3, 40), top + rng.randint(3, 40))
        picture.paste(rng.randrange(160), box)
    return picture


TEXTS = ["1", "ABC", "12.50", "0123456789", "A-B", "J", "2024/11/22", "ABCDEFGHIJ 0123456789"]
PICTURES = [text_picture(text, size) for size in (24, 17) for text in TEXTS]
PICTURES += [bars_picture(seed) for seed in range(12)]
PICTURES = [picture.convert("RGB") for picture in [*PICTURES, Image.new("L", (80, 20), 255)]]
LEARNED, SINUSOIDAL, DEIT = "vit", "vit-sinusoidal", "deit-small"


@cache
def reader_of(name: str) -> Recognizer:
    if name == "fast":
        return trocr.load("fast", device="cpu", dtype="float32")
    if name == "line":
        return tiny_recognizer(3)
    model = copy.deepcopy(pair(name).ours)
    characters = [chr(ord("α") + i) for i in range(model.config.decoder.vocab_size - 4)]
    processor = TrOCRProcessor(
        ViTImageProcessor(size={"height": 16, "width": 16}), Tokenizer.from_characters(characters)
    )
    ends = [2, telling_end(model, processor)]
    model.generation_config = model.generation_config.merged(eos_token_id=ends)
    return Recognizer(model, processor)


def telling_end(model: VisionEncoderDecoderModel, processor: TrOCRProcessor) -> int:
    """The token that, as an end, leaves texts of the most different lengths."""
    inputs = processor.image_processor(PICTURES, return_tensors="pt")
    texts = model.generate(**inputs)[:, 1:].tolist()
    lengths = {
        token: {text.index(token) for text in texts if token in text}
        for token in set(chain.from_iterable(texts)) - {1, 2}
    }
    return max(lengths, key=lambda token: (len(lengths[token]), sum(lengths[token])))


@cache
def alone(name: str, **options: Any) -> list[LineResult]:
    reader = reader_of(name)
    return [reader.read_lines([picture], **options)[0] for picture in PICTURES]


def arriving(
    order: Sequence[int], portions: Sequence[int], pictures: Sequence[Any] = PICTURES
) -> Callable[[bool], list[tuple[int, Any]] | None]:
    """``next_lines`` that gives the pictures in these portions, and then one at a time."""
    coming = iter(order)
    sizes = iter(portions)

    def next_lines(wait: bool) -> list[tuple[int, Any]] | None:
        size = next(sizes, 1)
        came = [(i, pictures[i]) for i in islice(coming, max(size, 1) if wait else size)]
        return came or (None if wait or size else [])

    return next_lines


def same(found: LineResult, expected: LineResult) -> None:
    assert found.token_ids == expected.token_ids
    assert found.text == expected.text
    assert found.finish_reason == expected.finish_reason
    assert found.confidence == pytest.approx(expected.confidence, abs=1e-5)


SCHEDULES = {
    "order": st.permutations(range(len(PICTURES))),
    "portions": st.lists(st.integers(0, 5), max_size=60),
    "batch_size": st.integers(1, 9),
}


@pytest.mark.parametrize("name", ["line", LEARNED, SINUSOIDAL, DEIT, "fast"])
def test_whatever_joins_or_leaves_when_a_line_is_read_as_if_alone(name: str) -> None:
    assert len({len(result.token_ids) for result in alone(name)}) > 1

    @settings(max_examples=4 if name == "fast" else 15, deadline=None)
    @given(**SCHEDULES)
    def check(order: list[int], portions: list[int], batch_size: int) -> None:
        next_lines = arriving(order, portions)
        found = list(reader_of(name).read_continuously(next_lines, batch_size=batch_size))
        assert sorted(number for number, _ in found) == sorted(order)
        for number, result in found:
            same(result, alone(name)[number])

    check()


@pytest.mark.parametrize(
    "options",
    [{"num_beams": 3}, {"n_best": 2}, {"allow": "α-μ0-9"}, {"words": True}],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("name", ["line", LEARNED])
def test_options_are_those_of_read_lines(name: str, options: dict[str, Any]) -> None:
    order = list(range(len(PICTURES)))[::-1]
    next_lines = arriving(order, [3, 0, 0, 1, 2, 0, 4])
    found = dict(reader_of(name).read_continuously(next_lines, batch_size=4, **options))
    for number, expected in enumerate(alone(name, **options)):
        same(found[number], expected)
        assert [reading.text for reading in found[number].n_best] == [
            reading.text for reading in expected.n_best
        ]
        assert [word.text for word in found[number].words] == [word.text for word in expected.words]


def test_rules_that_look_back_hold_for_lines_of_different_ages() -> None:
    reader = reader_of(LEARNED)
    model, free = reader.model, alone(LEARNED)
    before = model.generation_config
    model.generation_config = before.merged(no_repeat_ngram_size=2, repetition_penalty=1.5)
    try:
        expected = reader.read_lines(PICTURES)
        next_lines = arriving(range(len(PICTURES)), [2, 1, 0, 0, 3, 1, 0, 2])
        found = dict(reader.read_continuously(next_lines, batch_size=12))
    finally:
        model.generation_config = before
    for number, result in enumerate(expected):
        same(found[number], result)
    assert [result.text for result in expected] != [result.text for result in free]


def test_a_blank_picture_does_not_wait_for_others() -> None:
    reader = reader_of(LEARNED)
    blank = len(PICTURES) - 1
    long = max(range(len(PICTURES)), key=lambda i: len(alone(LEARNED)[i].token_ids))
    found = reader.read_continuously(arriving([long, blank], [1, 1]), batch_size=8)
    assert [number for number, _ in found] == [blank, long]


def test_a_short_line_overtakes_a_long_one() -> None:
    lengths = [len(result.token_ids) for result in alone(LEARNED)]
    long, short = lengths.index(max(lengths)), lengths.index(min(n for n in lengths if n))
    found = reader_of(LEARNED).read_continuously(arriving([long, short], [1, 1]), batch_size=8)
    assert [number for number, _ in found] == [short, long]


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}], ids=["greedy", "beams"])
def test_a_line_that_nobody_waits_for_is_not_read(options: dict[str, Any]) -> None:
    reader = reader_of(LEARNED)
    order = list(range(8))
    left: set[int] = set()
    waits: list[bool] = []
    arrivals = arriving(order, [3, 0, 2, 0, 0, 0])

    def next_lines(wait: bool) -> list[tuple[int, Any]] | None:
        waits.append(wait)
        if len(waits) == 3:
            left.update((0, 1))
        return arrivals(wait)

    found = dict(
        reader.read_continuously(next_lines, batch_size=40, forget=left.__contains__, **options)
    )
    assert set(order) - left <= set(found) <= set(order)
    assert not options or set(found).isdisjoint(left) or waits[:3] == [True, False, False]
    for number, result in found.items():
        same(result, reader.read_lines([PICTURES[number]], **options)[0])


@torch.inference_mode()
def test_forgotten_lines_leave_the_pool() -> None:
    reader = reader_of(LEARNED)
    decoder = HybridDecoder(reader.model, reader.model.generation_settings(eos_token_id=2))
    wanted = {0, 1, 2}
    flow = Flow(decoder, 4, wanted.__contains__)
    list(flow.take(EncodedLines([0, 1, 2], reader.model.encode(images(3)))))
    assert not flow.has_room
    wanted -= {0, 2}
    done = list(flow.work(more=False))
    assert flow.has_room
    while not done:
        done = list(flow.work(more=False))
    [(lines, _)] = done
    assert lines.numbers == [1]


def test_it_asks_for_more_until_there_is_no_more_and_never_after() -> None:
    given_out: list[Any] = []
    arrivals = arriving(range(5), [2, 0, 1])

    def next_lines(wait: bool) -> list[tuple[int, Any]] | None:
        assert None not in given_out
        given_out.append(arrivals(wait))
        return given_out[-1]

    assert len(list(reader_of("line").read_continuously(next_lines, batch_size=2))) == 5
    assert given_out[-1] is None
    assert list(reader_of("line").read_continuously(lambda wait: None)) == []


def test_what_cannot_be_read_or_done_is_said() -> None:
    reader = reader_of("line")
    with pytest.raises(ImageError):
        list(reader.read_continuously(arriving([0], [1], ["no such file.png"])))
    with pytest.raises(UsageError, match="batch_size"):
        list(reader.read_continuously(arriving([0], [1]), batch_size=0))


@torch.inference_mode()
@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_rows_that_join_late_have_positions_and_sources_of_their_own(variant: str) -> None:
    decoder = pair(variant).ours.decoder
    width = decoder.config.cross_attention_hidden_size or 32
    torch.manual_seed(3)
    ids = torch.randint(4, 30, (7, 14))
    states, mask = torch.randn(7, 9, width), torch.ones(7, 9, dtype=torch.int64)
    mask[3:, 6:] = 0
    whole = decoder(
        ids, encoder_hidden_states=states, encoder_attention_mask=mask, use_cache=False
    ).logits
    steps = DecoderSteps(decoder, states[:3], mask[:3])
    rows, places = torch.arange(3), torch.zeros(3, dtype=torch.int64)

    def read(times: int) -> None:
        nonlocal places
        for _ in range(times):
            logits = steps.step(ids[rows, places][:, None])
            torch.testing.assert_close(logits, whole[rows, places], rtol=1e-5, atol=1e-5)
            places = places + 1

    def join(new: list[int]) -> None:
        nonlocal rows, places
        late = DecoderSteps(decoder, states[new, :6])
        late.step(ids[new, :1])
        steps.join(late)
        rows = torch.cat((rows, torch.tensor(new)))
        places = torch.cat((places, torch.ones(len(new), dtype=torch.int64)))

    def keep(kept: list[int]) -> None:
        nonlocal rows, places
        steps.reorder(torch.tensor(kept))
        rows, places = rows[kept], places[kept]

    read(4)
    join([3, 4])
    read(3)
    keep([4, 1, 3])  # moved into places that are free, but for one that keeps its own
    read(2)
    join([5])
    keep([0, 3, 2])  # the last of the early ones leaves, and what only it had
    assert steps._cache is not None
    assert steps._cache.get_seq_length() == 6
    assert steps._cache.layers[0].cross_key is not None
    assert steps._cache.layers[0].cross_key.shape[2] == 6
    join([6])
    read(5)


@torch.inference_mode()
def test_a_loop_ends_in_the_pool_too() -> None:
    model = pair(LEARNED).ours
    guard = RepetitionGuard(max_run=6, max_rule_run=6, min_copies=3)
    decoder = HybridDecoder(model, model.generation_settings(eos_token_id=2), guard=guard)
    lines = EncodedLines(list(range(20)), model.encode(images(20)))
    expected = [found[0] for found in decoder._search(lines.encoded)]
    assert "repetition" in {hypothesis.finish_reason for hypothesis in expected}
    flow = Flow(decoder, 20, lambda number: True)
    parts = [*flow.take(lines.select(list(range(9))))]
    parts += [*flow.work(more=True), *flow.take(lines.select(list(range(9, 20))))]
    while sum(len(part) for part, _ in parts) < 20:
        parts += flow.work(more=False)
    for part, found in parts:
        for number, [hypothesis] in zip(part.numbers, found, strict=True):
            assert hypothesis.token_ids == expected[number].token_ids
            assert hypothesis.finish_reason == expected[number].finish_reason


def test_what_no_line_can_join_is_read_batch_after_batch() -> None:
    model = pair(LEARNED).ours
    for given_settings in (
        {"num_beams": 3},
        {"do_sample": True},
        {"num_beams": 2, "num_return_sequences": 2},
    ):
        chosen = model.generation_settings(use_cache=True, **given_settings)
        assert HybridDecoder(model, chosen).line_pool() is None
    assert HybridDecoder(model, model.generation_settings(use_cache=True)).line_pool() is not None


def test_on_the_cpu_lines_of_like_shape_are_encoded_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, expected_lines, shapes = reader_of("line"), alone("line"), []
    encode = reader.model.encode

    def noted(**inputs: Any) -> Any:
        shapes.append(inputs["pixel_values"].shape)
        return encode(**inputs)

    monkeypatch.setattr(reader.model, "encode", noted)
    count = len(PICTURES)
    found = dict(reader.read_continuously(arriving(range(count), [count]), batch_size=count))
    for number, expected in enumerate(expected_lines):
        same(found[number], expected)
    assert len(shapes) > 1
    assert max(shape[0] for shape in shapes) <= CPU_GROUP
    widths = [shape[-1] for shape in shapes]
    assert widths == sorted(widths)
    assert widths[0] < widths[-1]
