"""Vocabularies that are kept, extended and replaced, over every kind of tokenizer."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import torch
import transformers
from line_models import CHARACTERS, tiny_line_model
from reference_models import IMAGE_SIZE, Variant, images, randomise, reference_config
from test_tokenizer import SHARED, byte_level_folder, unigram_folder

from trocr.config import VisionEncoderDecoderConfig
from trocr.errors import UsageError
from trocr.image_processor import ViTImageProcessor
from trocr.model import VisionEncoderDecoderModel
from trocr.processor import TrOCRProcessor
from trocr.special_tokens import check_special_tokens
from trocr.tokenizer import Tokenizer
from trocr.training.finetuning.vocabulary import (
    base_letter,
    fertility,
    missing_characters,
    with_vocabulary,
)

# Old and new characters mixed; "Ĉ" and "é" are single bytes to a byte-level decoder.
TEXTS = [
    "Ĉiu ŝatas the ĵaŭdo, é",
    "Ελλάς 12.50",
    "Привет, мир",
    "ſo ſeyn die ﬁn",
    "a x\u0302 b m\u0304",
    "½ … ™ ⟦1⟧",
    "中文 thank you",
]
PUBLISHED = ["roberta", "xlm-roberta"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("vocabularies")
    return {
        "roberta": byte_level_folder(root / "roberta"),
        "xlm-roberta": unigram_folder(root / "xlm-roberta"),
    }


@pytest.fixture
def start(folders: dict[str, Path], tmp_path: Path, request: pytest.FixtureRequest):
    """A model, tied for RoBERTa and with unused rows for XLM-R, and its tokenizer."""
    name = request.param
    tokenizer = (
        Tokenizer.from_characters(CHARACTERS)
        if name == "characters"
        else Tokenizer.from_pretrained(folders[name])
    )
    if name == "characters":
        return tiny_line_model(), tokenizer
    unused = 5 if name == "xlm-roberta" else 0
    decoder = {"vocab_size": len(tokenizer) + unused, "max_position_embeddings": 60}
    decoder |= {"tie_word_embeddings": name == "roberta"}
    theirs = randomise(
        transformers.VisionEncoderDecoderModel(reference_config(Variant(decoder=decoder)))
    )
    theirs.save_pretrained(tmp_path / "start")
    return VisionEncoderDecoderModel.from_pretrained(tmp_path / "start"), tokenizer


every_kind = pytest.mark.parametrize("start", [*PUBLISHED, "characters"], indirect=True)
published = pytest.mark.parametrize("start", PUBLISHED, indirect=True)


def logits_of(model: VisionEncoderDecoderModel) -> tuple[torch.Tensor, torch.Tensor | None]:
    if hasattr(model.encoder, "ctc_head"):
        pixels = torch.rand(2, 1, 32, 64, generator=torch.Generator().manual_seed(3))
    else:
        pixels = images(2)
    with torch.no_grad():
        output = model(pixels, decoder_input_ids=torch.tensor([[0, 5, 6, 7], [0, 8, 9, 10]]))
    return output.logits, output.ctc_logits


def round_trip(tokenizer: Tokenizer, text: str) -> str:
    return tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True)


# --- what is missing ---------------------------------------------------------------------------


def test_missing_characters_of_a_vocabulary_of_characters() -> None:
    tokenizer = Tokenizer.from_characters(CHARACTERS)
    assert missing_characters(tokenizer, ["A\u00a0 1é", "e\u0301", "1/2"]) == {"é": 2}


def test_a_byte_level_vocabulary_writes_everything(folders: dict[str, Path]) -> None:
    assert not missing_characters(Tokenizer.from_pretrained(folders["roberta"]), TEXTS)


def test_what_a_normaliser_changes_is_missing(folders: dict[str, Path]) -> None:
    missing = missing_characters(Tokenizer.from_pretrained(folders["xlm-roberta"]), TEXTS)
    assert (missing["ſ"], missing["ﬁ"], missing["⟦"], missing["x"]) == (2, 1, 1, 0)


def test_fertility(folders: dict[str, Path]) -> None:
    characters = Tokenizer.from_characters(CHARACTERS)
    assert fertility(characters, ["AB 12", "C"]) == 1.0
    assert fertility(characters, []) == 0.0
    assert fertility(Tokenizer.from_pretrained(folders["roberta"]), ["中"]) == 3.0


# --- extending ---------------------------------------------------------------------------------


@every_kind
def test_extended_texts_come_back(start) -> None:
    _, tokenizer = with_vocabulary(*start, TEXTS, "extend")
    assert not missing_characters(tokenizer, TEXTS)
    for text in TEXTS:
        assert round_trip(tokenizer, text) == text
        assert tokenizer.unk_token_id not in tokenizer.encode(text)


@every_kind
def test_extending_keeps_ids_rows_and_logits(start) -> None:
    model, old = start
    old_texts = [old.decode([i]) for i in range(4, len(old))]
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    before, ctc_before = logits_of(model)
    used = len(old) - (old.mask_token is None)
    model, new = with_vocabulary(model, old, TEXTS, "extend")
    assert old.get_vocab().items() < new.get_vocab().items()
    assert [new.decode([i]) for i in range(4, len(old))] == old_texts
    size = model.config.decoder.vocab_size
    assert size >= max(new.get_vocab().values()) + 1 > len(old)
    after, ctc_after = logits_of(model)
    assert after.shape[-1] == size
    torch.testing.assert_close(after[..., :used], before[..., :used], rtol=0, atol=1e-5)
    for name, tensor in model.state_dict().items():
        if tensor.shape == weights[name].shape:
            assert torch.equal(tensor, weights[name]) or "embed_tokens" in name or "output" in name
    embeddings = model.get_input_embeddings().weight
    assert torch.equal(
        embeddings[: len(old)],
        weights["decoder.model.decoder.embed_tokens.weight"][: len(old)],
    )
    if ctc_before is not None:
        assert ctc_after.shape[-1] == size
        torch.testing.assert_close(ctc_after[..., : len(old)], ctc_before, rtol=0, atol=1e-5)


@published
def test_old_texts_keep_their_ids_when_a_vocabulary_grows(start) -> None:
    model, old = start
    _, new = with_vocabulary(model, old, TEXTS, "extend")
    for text in ["Total amount 12.50", "GST @ 6%", "the lazy dog"]:
        assert new.encode(text) == old.encode(text)


def test_a_new_row_lies_between_its_base_letter_and_the_mean() -> None:
    model, tokenizer = tiny_line_model(), Tokenizer.from_characters(CHARACTERS)
    before, ctc_before = logits_of(model)
    table = model.get_input_embeddings().weight.clone()
    model, grown = with_vocabulary(model, tokenizer, ["Ä"], "extend")
    letter, new = tokenizer.encode("A")[0], grown.encode("Ä")[0]
    expected = (table[letter] + table.mean(0)) / 2
    torch.testing.assert_close(model.get_input_embeddings().weight[new], expected)
    after, ctc_after = logits_of(model)
    for old_logits, new_logits in ((before, after), (ctc_before, ctc_after)):
        between = (old_logits[..., letter] + old_logits.mean(-1)) / 2
        torch.testing.assert_close(new_logits[..., new], between, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("character", "base"),
    [
        ("é", "e"),
        ("ſ", "s"),
        ("ł", "l"),
        ("ø", "o"),
        ("ﬁ", "f"),
        ("ά", "α"),
        ("ж", "ж"),
        ("\t",) * 2,
    ],
)
def test_base_letters(character: str, base: str) -> None:
    assert base_letter(character) == base


def test_nothing_changes_where_nothing_is_missing() -> None:
    model, tokenizer = tiny_line_model(), Tokenizer.from_characters(CHARACTERS)
    table = model.get_input_embeddings().weight
    for how in ("keep", "extend"):
        assert with_vocabulary(model, tokenizer, ["AB 12"], how) == (model, tokenizer)
    assert model.get_input_embeddings().weight is table


def test_what_no_token_can_write_stays_missing(folders: dict[str, Path]) -> None:
    """``▁`` stands for the space in the vocabulary itself."""
    tokenizer = Tokenizer.from_pretrained(folders["xlm-roberta"])
    config = reference_config(Variant(decoder={"vocab_size": len(tokenizer)})).to_dict()
    model = VisionEncoderDecoderModel(VisionEncoderDecoderConfig.from_dict(config))
    model, grown = with_vocabulary(model, tokenizer, ["total ▁ é"], "extend")
    assert missing_characters(grown, ["total ▁ é"]) == {"▁": 1}
    assert round_trip(grown, "total é") == "total é"
    assert with_vocabulary(model, grown, ["▁"], "extend")[1].get_vocab() == grown.get_vocab()


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data")
def test_the_published_small_vocabulary_grows() -> None:
    from trocr.training.finetuning.new_tokens import extended

    tokenizer = Tokenizer.from_pretrained(SHARED)
    missing = missing_characters(tokenizer, TEXTS)
    assert {"ŝ", "ſ", "ﬁ", "⟦", "\u0302", "½"} <= missing.keys()
    grown = extended(tokenizer, missing)
    assert [round_trip(grown, text) for text in TEXTS] == TEXTS
    assert grown.encode("Total 12.50 €") == tokenizer.encode("Total 12.50 €")


# --- replacing ---------------------------------------------------------------------------------


@every_kind
def test_characters_replace_a_vocabulary(start) -> None:
    model, old = start
    table = model.get_input_embeddings().weight.clone()
    model, new = with_vocabulary(model, old, TEXTS, "characters")
    assert [round_trip(new, text) for text in TEXTS] == TEXTS
    assert {chr(c) for c in range(0x20, 0x7F)} < new.get_vocab().keys()
    assert fertility(new, TEXTS) == 1.0
    assert model.config.decoder.vocab_size == len(new)
    assert model.generation_settings().decoder_start_token_id == new.bos_token_id
    rows = model.get_input_embeddings().weight
    (digit,) = (i for i, text in enumerate(old.token_strings()) if text == "1")
    assert torch.equal(rows[new.convert_tokens_to_ids("1")], table[digit])
    for name in ("bos", "pad", "eos", "unk"):
        old_id, new_id = (getattr(t, f"{name}_token_id") for t in (old, new))
        assert torch.equal(rows[new_id], table[old_id])


@every_kind
def test_a_trained_bpe_replaces_a_vocabulary(start) -> None:
    model, old = start
    start_token = model.generation_settings().decoder_start_token_id
    table = model.get_input_embeddings().weight.clone()
    model, new = with_vocabulary(model, old, TEXTS * 3, "bpe", bpe_size=300)
    assert [round_trip(new, text) for text in TEXTS] == TEXTS
    ids = [new.bos_token_id, new.pad_token_id, new.eos_token_id, new.unk_token_id]
    assert ids == [0, 1, 2, 3]
    assert new.mask_token_id == len(new) - 1 == model.config.decoder.vocab_size - 1
    assert model.generation_settings().decoder_start_token_id == start_token
    assert (new.encode("")[0] == new.bos_token_id) == (old.encode("")[0] == old.bos_token_id)
    one = {t: i for i, t in enumerate(old.token_strings()) if t is not None}["1"]
    carried = model.get_input_embeddings().weight[new.token_strings().index("1")]
    assert torch.equal(carried, table[one])
    with pytest.raises(UsageError, match="at least 261"):
        with_vocabulary(model, new, TEXTS, "bpe", bpe_size=260)


@every_kind
@pytest.mark.parametrize("how", ["extend", "characters", "bpe"])
def test_every_place_that_names_a_vocabulary_agrees(start, how: str, tmp_path: Path) -> None:
    model, old = start
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    model, new = with_vocabulary(model, old, TEXTS, how, bpe_size=270)
    size = model.config.decoder.vocab_size
    embedding, projection = model.get_input_embeddings(), model.get_output_embeddings()
    assert (embedding.num_embeddings, projection.out_features) == (size, size)
    assert (embedding.weight is projection.weight) == tied
    if hasattr(model.encoder, "ctc_head"):
        assert model.config.encoder.ctc_vocab_size == size
        assert model.config.encoder.ctc_blank_token_id == new.pad_token_id
    check_special_tokens(model, new)
    model.save_pretrained(tmp_path / "m")
    new.save_pretrained(tmp_path / "m")
    again = VisionEncoderDecoderModel.from_pretrained(tmp_path / "m")
    tokenizer = Tokenizer.from_pretrained(tmp_path / "m")
    check_special_tokens(again, tokenizer)
    assert tokenizer.get_vocab() == new.get_vocab()
    assert [tokenizer.encode(text) for text in TEXTS] == [new.encode(text) for text in TEXTS]
    torch.testing.assert_close(logits_of(again), logits_of(model), rtol=0, atol=0)


@published
@pytest.mark.parametrize("how", ["extend", "characters", "bpe"])
def test_the_reference_reads_what_was_saved(start, how: str, tmp_path: Path) -> None:
    model, tokenizer = with_vocabulary(*start, TEXTS, how, bpe_size=270)
    model.save_pretrained(tmp_path / "m")
    image_processor = ViTImageProcessor(size={"height": IMAGE_SIZE, "width": IMAGE_SIZE})
    TrOCRProcessor(image_processor, tokenizer).save_pretrained(tmp_path / "m")
    theirs = transformers.VisionEncoderDecoderModel.from_pretrained(tmp_path / "m").eval()
    processor = transformers.TrOCRProcessor.from_pretrained(tmp_path / "m")
    for text in TEXTS:
        assert processor.tokenizer(text)["input_ids"] == tokenizer.encode(text)
    ids = model.generate(images(), max_new_tokens=20)
    assert ids.tolist() == theirs.generate(images(), max_new_tokens=20).tolist()
    ours = tokenizer.batch_decode(ids, skip_special_tokens=True)
    assert ours == processor.batch_decode(ids, skip_special_tokens=True)
    assert any(unicodedata.normalize("NFC", text).strip() for text in ours)


def test_id_settings_of_the_old_vocabulary_go() -> None:
    model, tokenizer = tiny_line_model(), Tokenizer.from_characters(CHARACTERS)
    model.generation_config.suppress_tokens = [7]
    model, _ = with_vocabulary(model, tokenizer, TEXTS, "characters")
    assert model.generation_settings().suppress_tokens is None
