"""Tokenizers against those of `transformers`, over every file layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from trocr.errors import CheckpointError, TrOCRError, UsageError
from trocr.sentencepiece_model import read_sentencepiece_model
from trocr.tokenizer import Tokenizer

transformers = pytest.importorskip("transformers")

SHARED = Path(__file__).resolve().parents[2] / "shared/tokenizers/trocr-small"
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
CORPUS = [
    "Total amount 12.50 paid in cash, thank you",
    "the quick brown fox jumps over the lazy dog",
    "Ännchen trug 3 Körbe à 4,20 € — „gut“!",
    "GST @ 6% 0.30 * 10101 ------",
] * 8

texts = st.one_of(
    st.text(max_size=30),
    st.text(alphabet=" abtheo12.,é€ſ\u00a0\u2003\t\n▁Ġ", max_size=30),
    st.lists(
        st.sampled_from([*SPECIAL, "<mask>", " ", "a", "total", "🙂", "e\u0301", "\u200b", "ﬁ"]),
        max_size=8,
    ).map("".join),
)


def byte_level_folder(folder: Path) -> Path:
    """vocab.json and merges.txt of a tiny RoBERTa vocabulary, <mask> last."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(CORPUS, trainer)
    folder.mkdir(parents=True)
    backend.model.save(str(folder))
    vocab = json.loads((folder / "vocab.json").read_text())
    vocab["<mask>"] = len(vocab)
    (folder / "vocab.json").write_text(json.dumps(vocab))
    return folder


def unigram_folder(folder: Path) -> Path:
    """sentencepiece.bpe.model of a tiny XLM-R vocabulary."""
    sentencepiece = pytest.importorskip("sentencepiece")
    folder.mkdir(parents=True)
    (folder / "corpus.txt").write_text("\n".join(CORPUS), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "sentencepiece.bpe"),
        vocab_size=90,
        hard_vocab_limit=False,
        model_type="unigram",
        user_defined_symbols=["€€"],
        minloglevel=2,
    )
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("tokenizers")
    return {
        "roberta": byte_level_folder(root / "roberta"),
        "xlm-roberta": unigram_folder(root / "xlm-roberta"),
    }


def reference_class(name: str) -> type:
    return {
        "roberta": transformers.RobertaTokenizer,
        "xlm-roberta": transformers.XLMRobertaTokenizer,
    }[name]


@pytest.fixture(scope="module")
def pairs(folders: dict[str, Path]) -> dict[str, tuple[Tokenizer, object]]:
    """Our tokenizer and the reference's, from the same folder."""
    return {
        name: (Tokenizer.from_pretrained(folder), reference_class(name).from_pretrained(folder))
        for name, folder in folders.items()
    }


def assert_same(ours: Tokenizer, theirs: object, text: str) -> None:
    ids = ours.encode(text)
    assert ids == theirs(text)["input_ids"]
    assert ours(text) == dict(theirs(text))
    for skip in (False, True):
        for clean in (None, True):
            ours_text = ours.decode(ids, skip, clean)
            theirs_text = theirs.decode(
                ids, skip_special_tokens=skip, clean_up_tokenization_spaces=clean
            )
            assert ours_text == theirs_text


@pytest.mark.parametrize("name", ["roberta", "xlm-roberta"])
@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_ids_and_decoded_text_equal_the_reference(pairs, name, text):
    assert_same(*pairs[name], text)


@pytest.mark.parametrize("name", ["roberta", "xlm-roberta"])
def test_special_tokens_equal_the_reference(pairs, name):
    ours, theirs = pairs[name]
    for role in ("bos", "pad", "eos", "unk", "cls", "sep", "mask"):
        assert getattr(ours, f"{role}_token") == getattr(theirs, f"{role}_token")
        assert getattr(ours, f"{role}_token_id") == getattr(theirs, f"{role}_token_id")
    assert (ours.bos_token_id, ours.pad_token_id, ours.eos_token_id, ours.unk_token_id) == (
        0,
        1,
        2,
        3,
    )
    assert ours.get_vocab() == theirs.get_vocab()
    assert (len(ours), ours.vocab_size) == (len(theirs), theirs.vocab_size)
    assert ours.convert_ids_to_tokens([0, 5]) == theirs.convert_ids_to_tokens([0, 5])
    assert ours.tokenize("Total 12") == theirs.tokenize("Total 12")


@pytest.mark.parametrize(
    "options",
    [
        {"padding": True},
        {"padding": "max_length", "max_length": 12},
        {"padding": "max_length", "max_length": 6, "truncation": True},
        {"truncation": "longest_first", "max_length": 5},
        {"max_length": 4},
        {"padding": "longest", "pad_to_multiple_of": 8},
        {"padding": "max_length"},
        {"truncation": True},
        {"add_special_tokens": False, "padding": True},
        {"padding": True, "return_tensors": "pt"},
        {"padding": True, "return_tensors": "np"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["roberta", "xlm-roberta"])
def test_call_options_equal_the_reference(pairs, name, options):
    ours, theirs = pairs[name]
    batch = ["Total 12.50", "the quick brown fox jumps", ""]
    mine, reference = ours(batch, **options), theirs(batch, **options)
    for key in ("input_ids", "attention_mask"):
        assert type(mine[key]) is type(reference[key])
        assert as_lists(mine[key]) == as_lists(reference[key])
    words = [["Total", "12.50"], ["a", "b", "c"]]
    if name == "xlm-roberta":
        mine = ours(words, is_split_into_words=True, **options)
        reference = theirs(words, is_split_into_words=True, **options)
        assert as_lists(mine.input_ids) == as_lists(reference.input_ids)


def as_lists(ids: object) -> list:
    return ids.tolist() if hasattr(ids, "tolist") else ids


def test_one_text_gives_one_row(pairs):
    ours, _ = pairs["roberta"]
    assert isinstance(ours("a").input_ids[0], int)
    assert ours("a", return_tensors="pt").input_ids.shape == (1, 3)
    assert len(ours("a", max_length=2, truncation=True).input_ids) == 2


def test_decode_takes_every_container(pairs):
    import torch

    ours, _ = pairs["roberta"]
    ids = ours(["Total", "12.50"], padding=True, return_tensors="pt").input_ids
    expected = ["Total", "12.50"]
    for batch in (ids, ids.numpy(), ids.tolist(), list(ids), tuple(ids.tolist())):
        assert ours.batch_decode(batch, skip_special_tokens=True) == expected
    assert ours.decode(ids[0], skip_special_tokens=True) == "Total"
    assert ours.decode(ids[0, 1]) == ours.decode(int(ids[0, 1]))
    assert ours.decode(list(ids[0]), skip_special_tokens=True) == "Total"
    assert ours.decode(list(ids[0].numpy()), skip_special_tokens=True) == "Total"
    assert ours.decode([]) == ""
    assert ours.batch_decode(torch.zeros(0, 3, dtype=torch.long)) == []
    assert ours.decode([0, 10_000_000, 2]) == "<s></s>"
    with pytest.raises(UsageError, match="-100"):
        ours.decode([0, -100])


@pytest.mark.parametrize("legacy", [None, False, True])
@pytest.mark.parametrize("name", ["roberta", "xlm-roberta"])
def test_what_we_save_the_reference_loads(pairs, name, legacy, tmp_path):
    ours, theirs = pairs[name]
    written = ours.save_pretrained(tmp_path, legacy_format=legacy)
    assert all(Path(path).is_file() for path in written)
    assert (tmp_path / "tokenizer.json").exists() == (legacy is not True)
    again = Tokenizer.from_pretrained(tmp_path)
    for loaded in (
        transformers.AutoTokenizer.from_pretrained(tmp_path),
        reference_class(name).from_pretrained(tmp_path),
    ):
        for text in [*CORPUS[:4], " a  <mask>b\n", "<s>x</s>", "ſ ⟦"]:
            assert loaded(text)["input_ids"] == theirs(text)["input_ids"]
            assert_same(again, loaded, text)


@pytest.mark.parametrize("name", ["roberta", "xlm-roberta"])
def test_what_the_reference_saves_we_load(pairs, name, tmp_path):
    ours, theirs = pairs[name]
    theirs.save_pretrained(tmp_path)
    loaded = Tokenizer.from_pretrained(tmp_path)
    assert loaded.get_vocab() == ours.get_vocab()
    for text in [*CORPUS[:4], " a  <mask>b\n", "<s>x</s>", "ſ ⟦"]:
        assert_same(loaded, theirs, text)


@pytest.mark.parametrize("name", ["roberta", "xlm-roberta"])
def test_files_of_transformers_4(folders, name, tmp_path):
    """special_tokens_map.json with token dicts, and tokens added on top of the vocabulary."""
    folder = shutil.copytree(folders[name], tmp_path / name)
    size = len(Tokenizer.from_pretrained(folder))
    mask = {"content": "<mask>", "lstrip": True, "normalized": True, "rstrip": False}
    special = {"bos_token": "<s>", "mask_token": {**mask, "single_word": False}}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    (folder / "added_tokens.json").write_text(json.dumps({"<line>": size}))
    config = {"model_max_length": 9, "tokenizer_class": reference_class(name).__name__}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    ours, theirs = Tokenizer.from_pretrained(folder), reference_class(name).from_pretrained(folder)
    assert ours.get_vocab()["<line>"] == size == len(ours) - 1
    for text in ["a <mask> b", "a <line> b", "a<line>", "Total  <mask>"]:
        assert_same(ours, theirs, text)
    long = "the quick brown fox " * 4
    assert ours(long, truncation=True) == dict(theirs(long, truncation=True))

    (folder / "added_tokens.json").write_text(json.dumps({"<line>": size + 7}))
    with pytest.raises(CheckpointError, match="<line>"):
        Tokenizer.from_pretrained(folder)


def test_added_tokens_decoder_of_the_config(folders, tmp_path):
    folder = shutil.copytree(folders["roberta"], tmp_path / "roberta")
    size = len(Tokenizer.from_pretrained(folder))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    added = {
        "0": {"content": "<s>", "special": True, **flags},
        str(size): {"content": "<line>", "special": False, **flags},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    ours = Tokenizer.from_pretrained(folder)
    theirs = transformers.RobertaTokenizer.from_pretrained(folder)
    for text in ["a <line> b", "<s>a"]:
        assert_same(ours, theirs, text)
    ours.save_pretrained(tmp_path / "saved")
    assert Tokenizer.from_pretrained(tmp_path / "saved").encode("a <line>") == ours.encode(
        "a <line>"
    )


def test_sentencepiece_reader_agrees_with_the_library(folders):
    import sentencepiece

    path = folders["xlm-roberta"] / "sentencepiece.bpe.model"
    model = read_sentencepiece_model(path.read_bytes())
    library = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert [(p.text, p.score) for p in model.pieces] == [
        (library.id_to_piece(i), library.get_score(i)) for i in range(library.get_piece_size())
    ]
    assert len(model.precompiled_charsmap) > 1000


@pytest.mark.shared
@settings(max_examples=200, deadline=None)
@given(text=texts)
def test_published_small_vocabulary(text):
    assert_same(*published_small(), text)


@pytest.mark.shared
def test_published_small_ids():
    ours, _ = published_small()
    vocab = ours.get_vocab()
    assert (vocab["<s>"], vocab["<pad>"], vocab["</s>"], vocab["<unk>"]) == (0, 1, 2, 3)
    assert vocab["<mask>"] == 64001
    assert len(ours) == 64002
    assert ours.encode("ſ") == ours.encode("s")
    assert ours.unk_token_id in ours.encode("⟦")


def published_small(cache: list = []) -> tuple[Tokenizer, object]:  # noqa: B006
    if not SHARED.is_dir():
        pytest.skip("../shared is not here")
    if not cache:
        cache += [
            Tokenizer.from_pretrained(SHARED),
            transformers.XLMRobertaTokenizer.from_pretrained(SHARED),
        ]
    return tuple(cache)


CHARACTERS = " !$%,.-0123456789ABCabcé€"


@settings(max_examples=100, deadline=None)
@given(text=st.text(alphabet=CHARACTERS, max_size=40))
def test_characters_round_trip(text):
    ours = Tokenizer.from_characters(CHARACTERS)
    ids = ours.encode(text)
    assert ids == [*(4 + CHARACTERS.index(c) for c in text), 2]
    assert ours.decode(ids, skip_special_tokens=True) == text


def test_characters_beyond_the_vocabulary():
    ours = Tokenizer.from_characters(CHARACTERS)
    assert ours.encode("z\n🙂") == [3, 3, 3, 2]
    assert ours.encode("e\u0301") == ours.encode("é")
    # A label that happens to read "<s>" is text, not the start of a line.
    assert ours.encode("<s>", add_special_tokens=False) == [3, 3, 3]
    for wrong in ("aa", "e\u0301e", "\u212b"):
        with pytest.raises(UsageError):
            Tokenizer.from_characters(wrong)


def test_characters_save_and_load(tmp_path):
    ours = Tokenizer.from_characters(CHARACTERS)
    ours.save_pretrained(tmp_path)
    again = Tokenizer.from_pretrained(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in ("12.50 €", "<s> a", "e\u0301 ?"):
        assert again.encode(text) == ours.encode(text) == theirs(text)["input_ids"]
        assert again.decode(ours.encode(text)) == theirs.decode(ours.encode(text))
    assert again.special_tokens_map == ours.special_tokens_map
    with pytest.raises(UsageError, match="older"):
        ours.save_pretrained(tmp_path, legacy_format=True)


@pytest.mark.parametrize("name", ["roberta", "xlm-roberta", "characters"])
def test_token_strings_add_up_to_the_text(pairs, name):
    ours = pairs[name][0] if name in pairs else Tokenizer.from_characters(CHARACTERS)
    strings = ours.token_strings()
    assert len(strings) == len(ours)
    assert [strings[i] for i in ours.all_special_ids] == [None] * len(ours.all_special_ids)
    for text in ("12.50 30", "0.0 6"):
        ids = ours.encode(text, add_special_tokens=False)
        assert "".join(strings[i] for i in ids).strip() == text
    if name == "roberta":
        smile = ours.encode("🙂", add_special_tokens=False)
        assert [strings[i] for i in smile] == [None] * 4


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({}, r"No tokenizer in .*tokenizer\.json.*merges\.txt.*sentencepiece\.bpe\.model"),
        ({"vocab.json": "{}"}, "No tokenizer in"),
        ({"tokenizer.json": "{"}, r"tokenizer\.json cannot be read"),
        ({"tokenizer.json": ""}, r"tokenizer\.json cannot be read"),
        ({"vocab.json": "[", "merges.txt": ""}, r"vocab\.json cannot be read"),
        ({"vocab.json": "{}", "merges.txt": "#version: 0.2\na b\n"}, r"vocab\.json cannot be read"),
        ({"vocab.json": '{"a": 0}', "merges.txt": "", "tokenizer_config.json": "x"}, "JSON"),
        ({"sentencepiece.bpe.model": "not a model"}, r"bpe\.model cannot be read"),
        ({"sentencepiece.bpe.model": ""}, r"bpe\.model cannot be read"),
    ],
)
def test_one_clear_error(tmp_path, damage, message):
    for name, content in damage.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(CheckpointError, match=message) as raised:
        Tokenizer.from_pretrained(tmp_path)
    assert raised.value.hint


def test_truncated_sentencepiece_model(folders, tmp_path):
    data = (folders["xlm-roberta"] / "sentencepiece.bpe.model").read_bytes()
    for length in (1, 7, 500, len(data) - 3):
        (tmp_path / "sentencepiece.bpe.model").write_bytes(data[:length])
        with pytest.raises(CheckpointError, match="cannot be read"):
            Tokenizer.from_pretrained(tmp_path)


@pytest.mark.parametrize("text", [None, 3, [3], [["a"], "b"], {"a": 1}])
def test_no_text_is_a_usage_error(text):
    with pytest.raises(TrOCRError, match="string"):
        Tokenizer.from_characters("a")(text)


def test_unknown_options():
    ours = Tokenizer.from_characters("ab")
    with pytest.raises(UsageError, match="padding='longst'"):
        ours("a", padding="longst")
    with pytest.raises(UsageError, match="return_tensors='tf'"):
        ours("a", return_tensors="tf")
    with pytest.raises(UsageError, match="different lengths"):
        ours(["a", "ab"], return_tensors="pt")
