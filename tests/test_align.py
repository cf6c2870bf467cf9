"""Words and characters of lines: alignment, spelling, confidences, and boxes of rendered lines."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tokenizers
import torch
from line_models import CHARACTERS, text_picture, tiny_line_model, tiny_processor, tiny_recognizer
from PIL import Image, ImageDraw, ImageFont
from tokenizers import decoders, models, pre_tokenizers

import trocr
from trocr import align
from trocr.align import ReadLine, WordAligner
from trocr.align.attention import cross_attention, ordered_middles
from trocr.align.cells import Cell, cell_middles, line_cells
from trocr.align.ctc import ctc_alignments
from trocr.bidi import visual_order
from trocr.confidence import Calibration
from trocr.config import TrOCRConfig, VisionEncoderDecoderConfig, ViTConfig
from trocr.hybrid import Hypothesis
from trocr.image_processor import ViTImageProcessor
from trocr.model import VisionEncoderDecoderModel
from trocr.processor import TrOCRProcessor
from trocr.recognizer import Recognizer
from trocr.tokenizer import Tokenizer
from trocr.tokenizer_files import DEFAULT_SPECIAL_TOKENS, TokenizerFiles

TEXTS = ["1", "ABC", "12.50", "A-B CD", "2024/11/22", "ABCDEFGHIJ 0123456789"]
PICTURES = [text_picture(text) for text in TEXTS]


# Forced alignment


def collapsed(path: tuple[int, ...], blank: int) -> list[int]:
    return [token for token, _ in itertools.groupby(path) if token != blank]


@pytest.mark.parametrize("text", [[2], [2, 3], [2, 2], [3, 2, 3]])
def test_the_best_path_is_that_of_trying_all(text):
    logits = torch.randn((1, 5, 4), generator=torch.Generator().manual_seed(len(text)))
    logprobs = logits[0].log_softmax(-1).double().numpy()
    scores = {
        path: sum(logprobs[frame, token] for frame, token in enumerate(path))
        for path in itertools.product(range(4), repeat=5)
        if collapsed(path, 0) == text
    }
    [path] = ctc_alignments(logits, torch.ones((1, 5)), [text], blank=0)
    best = max(scores, key=scores.__getitem__)
    assert path.logprobs.sum() == pytest.approx(scores[best], abs=1e-4)
    frames = [i for i, token in enumerate(best) if token != 0]
    assert frames[0] + 0.5 <= path.middles[0] <= path.middles[-1] <= frames[-1] + 0.5


def test_a_path_does_not_depend_on_the_batch():
    logits = torch.randn((3, 12, 5), generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1.0] * 6, [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]])
    texts = [[2, 3, 3, 4], [4, 4], [2, 3, 2, 3, 2]]
    together = ctc_alignments(logits, mask, texts, blank=1)
    assert together[2] is None, "five tokens in four frames"
    for row in range(2):
        [alone] = ctc_alignments(logits[row : row + 1], mask[row : row + 1], [texts[row]], blank=1)
        assert np.allclose(alone.middles, together[row].middles)
        assert np.allclose(alone.logprobs, together[row].logprobs)


def test_repeated_tokens_stand_apart():
    logits = torch.zeros((1, 9, 3))
    logits[0, :, 0] = 5
    for frame in (1, 4, 7):
        logits[0, frame, 2] = 9
    [path] = ctc_alignments(logits, torch.ones((1, 9)), [[2, 2, 2]], blank=0)
    assert path.middles == pytest.approx([1.5, 4.5, 7.5], abs=0.05)


# Attention


def test_attention_is_followed_by_the_heads_that_go_along_the_line():
    rng = np.random.default_rng(0)
    places = np.array([1.5, 4.5, 6.5, 11.5, 13.5])
    orderly = np.exp(-(((np.arange(16) + 0.5)[None] - places[:, None]) ** 2))
    noise = rng.random((5, 5, 16)) ** 4
    weights = np.concatenate((noise, orderly[None]))
    weights /= weights.sum(-1, keepdims=True)
    assert ordered_middles(weights) * 16 == pytest.approx(places, abs=0.7)
    assert (np.diff(ordered_middles(noise / noise.sum(-1, keepdims=True))) >= 0).all()


# Which token writes which character


def tokenizer_of(backend: tokenizers.Tokenizer) -> Tokenizer:
    special = {role: text for role, text in DEFAULT_SPECIAL_TOKENS.items() if role != "mask_token"}
    backend.add_special_tokens(list(dict.fromkeys(special.values())))
    return Tokenizer(TokenizerFiles(backend, {}, special))


def byte_level_tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("c", "a"), ("Ġ", "n"), ("Ġn", "o"), ("f", "Ã")]
    vocab = [*alphabet, *("".join(pair) for pair in merges)]
    backend = tokenizers.Tokenizer(
        models.BPE({token: index for index, token in enumerate(vocab)}, merges)
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return tokenizer_of(backend)


def sentencepiece_tokenizer() -> Tokenizer:
    pieces = ["▁", "▁ca", "fé", "▁no", ".", "n", "o", "c", "a", "f", "é"]
    backend = tokenizers.Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces]))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return tokenizer_of(backend)


def spelt(tokenizer: Tokenizer, text: str) -> list[tuple[str, list[str | None], int]]:
    ids = tokenizer.encode(text, add_special_tokens=False)
    cells = line_cells(tokenizer, ids, tokenizer.token_strings(), text)
    tokens = tokenizer.convert_ids_to_tokens(ids)
    return [(cell.text, tokens[cell.first : cell.last + 1], cell.word) for cell in cells]


def test_bytes_of_one_character_are_joined():
    """é is the two bytes Ã and ©, the first of them in the token of f; 🙂 is four tokens."""
    assert spelt(byte_level_tokenizer(), "café no🙂") == [
        ("c", ["ca"], 0),
        ("a", ["ca"], 0),
        ("f", ["fÃ"], 0),
        ("é", ["fÃ", "©"], 0),
        (" ", ["Ġno"], -1),
        ("n", ["Ġno"], 1),
        ("o", ["Ġno"], 1),
        ("🙂", ["ð", "Ł", "Ļ", "Ĥ"], 1),
    ]


def test_sentencepiece_words_begin_with_their_space():
    assert spelt(sentencepiece_tokenizer(), "café no.") == [
        ("c", ["▁ca"], 0),
        ("a", ["▁ca"], 0),
        ("f", ["fé"], 0),
        ("é", ["fé"], 0),
        (" ", ["▁no"], -1),
        ("n", ["▁no"], 1),
        ("o", ["▁no"], 1),
        (".", ["."], 1),
    ]


def test_spaces_that_were_cleaned_up_are_not_missed():
    tokenizer = sentencepiece_tokenizer()
    ids = tokenizer.encode("no .", add_special_tokens=False)
    cells = line_cells(tokenizer, ids, tokenizer.token_strings(), "no.")
    assert [(cell.text, cell.word) for cell in cells if cell.word >= 0] == [
        ("n", 0),
        ("o", 0),
        (".", 0),
    ]


def test_marks_belong_to_their_letter():
    tokenizer = byte_level_tokenizer()
    assert [cell[0] for cell in spelt(tokenizer, "q\u0303a")] == ["q\u0303", "a"]


def test_text_that_the_tokens_do_not_spell_still_gets_all_characters():
    tokenizer = sentencepiece_tokenizer()
    cells = line_cells(tokenizer, [1, 2], tokenizer.token_strings(), "other words")
    assert "".join(cell.text for cell in cells) == "otherwords"
    assert {cell.word for cell in cells} == {0, 1}
    assert max(cell.last for cell in cells) == 1


@pytest.mark.parametrize(
    ("logical", "visual"),
    [
        ("ab 12", "ab 12"),
        ("אב גד", "דג בא"),
        ("אב 12 גד", "דג 12 בא"),
        ("אב ab cd גד", "דג ab cd בא"),
        ("ab אב גד cd", "ab דג בא cd"),
    ],
)
def test_letters_written_leftwards_stand_from_the_right(logical, visual):
    cells = [Cell(character, i, i, 0) for i, character in enumerate(logical)]
    assert "".join(cells[i].text for i in visual_order([cell.text for cell in cells])) == visual


def test_tokens_share_the_room_by_their_length():
    cells = [Cell(c, t, t, 0) for c, t in (("a", 0), ("b", 1), ("c", 1), ("d", 1))]
    assert cell_middles(cells, {0: 10, 1: 30}, 0, 100) == pytest.approx([10, 20, 30, 40])


# Through the recognizer


@pytest.fixture(scope="module")
def reader():
    return tiny_recognizer(3)


def check_words(picture: Image.Image, result: trocr.recognizer.LineResult) -> None:
    assert " ".join(word.text for word in result.words) == " ".join(result.text.split())
    for word in result.words:
        assert 0 <= word.confidence <= 1
        assert "".join(character.text for character in word.characters) == word.text
        for cell in (word, *word.characters):
            left, top, right, bottom = cell.box
            assert 0 <= left < right <= picture.width
            assert 0 <= top < bottom <= picture.height
    words = [(word.box[0] + word.box[2]) / 2 for word in result.words]
    assert words == sorted(words)
    cells = [cell.box[0] + cell.box[2] for word in result.words for cell in word.characters]
    assert min(np.diff(cells), default=0) >= -4, "in order, but for two pixels"


def vit_recognizer() -> Recognizer:
    torch.manual_seed(5)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        ViTConfig(
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=32,
            patch_size=8,
        ),
        TrOCRConfig(
            vocab_size=4 + len(CHARACTERS),
            d_model=16,
            decoder_layers=2,
            decoder_attention_heads=2,
            decoder_ffn_dim=16,
            max_position_embeddings=12,
            decoder_start_token_id=0,
            cross_attention_hidden_size=16,
            init_std=0.5,
        ),
        decoder_start_token_id=0,
        pad_token_id=1,
    )
    model = VisionEncoderDecoderModel(config)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.normal_(std=0.3)
    size = {"height": 32, "width": 32}
    return Recognizer(
        model.eval(), TrOCRProcessor(ViTImageProcessor(size=size), tiny_processor().tokenizer)
    )


@pytest.mark.parametrize("make", [lambda: tiny_recognizer(3), vit_recognizer])
def test_words_of_untrained_models_are_in_order_inside_the_picture(make):
    reader = make()
    results = reader.read_lines(PICTURES, words=True, regex=r"[A-J]{2,3} \d{1,4}[.-]?")
    assert {len(result.words) for result in results} == {2}
    for picture, result in zip(PICTURES, results, strict=True):
        check_words(picture, result)


def test_words_change_nothing_else_and_do_not_depend_on_the_batch(reader):
    plain = reader.read_lines(PICTURES)
    assert all(result.words == () for result in plain)
    read = reader.read_lines(PICTURES, words=True)
    assert [replace(result, words=()) for result in read] == plain
    for picture, result in zip(PICTURES, read, strict=True):
        [alone] = reader.read_lines([picture], words=True)
        assert [word.box for word in alone.words] == [word.box for word in result.words]
        assert [word.confidence for word in alone.words] == pytest.approx(
            [word.confidence for word in result.words], abs=1e-4
        )


def test_a_blank_line_has_no_words(reader):
    [blank, _] = reader.read_lines([Image.new("L", (80, 20), 255), PICTURES[1]], words=True)
    assert blank.words == ()


def test_calibrated_words_multiply_to_the_line():
    reader = tiny_recognizer(3)
    reader.calibration = Calibration(-0.5, {"decoder": 0.7, "ctc": 0.2}, 10, [])
    for result in reader.read_lines(PICTURES, words=True):
        if result.words:
            product = math.prod(word.confidence for word in result.words)
            assert product == pytest.approx(result.confidence, rel=1e-6)
            for word in result.words:
                parts = math.prod(character.confidence for character in word.characters)
                assert parts == pytest.approx(word.confidence, rel=1e-6)


def test_without_calibration_a_word_is_the_mean_of_its_tokens():
    """Of a model without a CTC head, whose tokens are characters."""
    reader = vit_recognizer()
    checked = 0
    for result in reader.read_lines(PICTURES, words=True):
        if " " in result.text or not result.words:
            continue
        [word] = result.words
        written = [token.confidence for token in result.tokens if token.text.strip()]
        if len(written) == len(result.tokens):
            assert word.confidence == pytest.approx(math.prod(written) ** (1 / len(written)))
            assert word.characters[0].confidence == pytest.approx(written[0])
            checked += 1
    assert checked


def read_as(text: str, picture: Image.Image) -> ReadLine:
    ids = tiny_processor().tokenizer.encode(text, add_special_tokens=False)
    return ReadLine(picture, Hypothesis(ids, [-0.1] * (len(ids) + 1), "eos"), text, 0.9)


def tiny_words(text: str, picture: Image.Image):
    model, processor = tiny_line_model(1), tiny_processor()
    aligner = WordAligner(model, processor, processor.tokenizer.token_strings())
    encoded = model.encode(**processor.image_processor([picture], return_tensors="pt"))
    [words] = aligner.words(encoded, [read_as(text, picture)])
    return words


def test_text_that_is_too_long_for_the_frames_is_spread_evenly():
    picture = text_picture("12")
    words = tiny_words("11111111 22222222", picture)
    assert [word.text for word in words] == ["11111111", "22222222"]
    assert words[0].box[2] <= words[1].box[0] + 1
    check_words(picture, SimpleNamespace(text="11111111 22222222", words=words))


def test_words_written_leftwards_stand_from_the_right(monkeypatch):
    """An attention model writes logical order; its attention goes from right to left."""
    picture = text_picture("AB CD")
    tokenizer = Tokenizer.from_characters(" אבגד")
    text = "אב גד"
    ids = tokenizer.encode(text, add_special_tokens=False)

    def leftwards(model, encoded, texts):
        return [np.eye(len(text))[::-1][None] for text in texts]

    monkeypatch.setattr(align, "cross_attention", leftwards)
    processor = TrOCRProcessor(ViTImageProcessor(), tokenizer)
    aligner = WordAligner(tiny_line_model(), processor, tokenizer.token_strings())
    encoded = SimpleNamespace(last_hidden_state=torch.zeros(1, 1, 1), attention_mask=None)
    encoded.ctc_logits = None
    line = ReadLine(picture, Hypothesis(ids, [-0.1] * 6, "eos"), text, None)
    [words] = aligner.words(encoded, [line])
    assert [word.text for word in words] == ["אב", "גד"]
    assert words[0].box[0] > words[1].box[2]
    first, second = words[0].characters
    assert first.box[0] >= second.box[2] - 1


def test_patches_are_summed_into_columns():
    reader = vit_recognizer()
    inputs = reader.processor.image_processor(PICTURES[1:3], return_tensors="pt")
    encoded = reader.model.encode(**inputs)
    [one, other] = cross_attention(reader.model, encoded, [[5, 6, 7], [5]])
    assert one.shape == (4, 3, 4)
    assert other.shape == (4, 1, 4)
    assert np.allclose(one.sum(-1), 1)


# Boxes against the truth


def drawn_words(text: str, size: int) -> tuple[Image.Image, list[tuple[int, int, int, int]]]:
    """A line drawn word by word, and the boxes of its ink."""
    font = ImageFont.load_default(size)
    ascent, descent = font.getmetrics()
    picture = Image.new("L", (int(font.getlength(text)) + size, ascent + descent + 8), 240)
    boxes, x = [], size / 2
    for word in text.split():
        mask = Image.new("L", picture.size)
        ImageDraw.Draw(mask).text((x, 4), word, 255, font)
        boxes.append(mask.point(lambda level: 255 * (level > 96)).getbbox())
        picture.paste(30, mask=mask)
        x += font.getlength(word + " ")
    return picture, boxes


def overlap(one, other) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def test_words_of_the_printed_model_lie_on_their_ink():
    texts = [
        "Total amount due 1,284.50 EUR",
        "The quick brown fox jumps over it.",
        "Invoice No. 2024/11-0037 of 22.11.2024",
        "a 1111 000 I.II ll",
    ]
    lines = [drawn_words(text, size) for text, size in zip(texts, (24, 32, 40, 90), strict=True)]
    results = trocr.load("printed", device="cpu").read_lines([p for p, _ in lines], words=True)
    overlaps = [
        max((overlap(box, word.box) for word in result.words), default=0.0)
        for (_, boxes), result in zip(lines, results, strict=True)
        for box in boxes
    ]
    assert np.median(overlaps) >= 0.7
    assert np.mean(np.array(overlaps) >= 0.5) >= 0.9
