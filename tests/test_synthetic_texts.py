"""Labels of synthetic lines: well formed, varied, and a function of the generator alone."""

from __future__ import annotations

import json
import random
import re
import string
import unicodedata
from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

from trocr.errors import DataError, UsageError
from trocr.training.synthetic.text_corpora import draw_prose, read_language
from trocr.training.synthetic.text_fields import amount, filled, roman, time
from trocr.training.synthetic.text_notes import NOTE, label_of
from trocr.training.synthetic.texts import KINDS, LONGEST, VOCABULARY, TextSource

PROSE = {
    "en": 'The ship lay at anchor; nobody spoke. "It\'s late," said the captain.\n'
    "Three days later a letter came from London, and with it the news we had all feared.\n",
    "fr": "Il n'y avait personne dans la rue, sauf un vieil homme qui marchait lentement.\n"
    "« Où allez-vous ? » demanda-t-il à l'étranger, dont le cœur battait très fort.\n",
}
WORDS = {"en": "the of and ship letter anchor quartz", "fr": "le la été cœur maître aiguë naïf"}
FIELDS = {
    "name": ["Ann Lee"],
    "last_name": ["Lee", "Œuvré"],
    "address": ["12 High Street"],
    "city": ["Bath"],
    "company": ["Lee & Sons"],
    "job": ["baker"],
    "phone_number": ["+44 20 7946 0000"],
    "email": ["ann@example.org"],
    "url": ["https://example.org/"],
    "user_name": ["ann7"],
    "iban": ["GB00ABCD12345678"],
    "month_name": ["March", "août"],
    "day_of_week": ["Monday"],
}
LANGUAGES = {"en": 0.6, "fr": 0.4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    for code in LANGUAGES:
        (folder / code).mkdir()
        (folder / code / "tales.txt").write_text(PROSE[code], encoding="utf-8")
        words = "\n".join(WORDS[code].split())
        (folder / code / "words.list").write_text(words, encoding="utf-8")
        (folder / code / "fields.json").write_text(json.dumps(FIELDS), encoding="utf-8")
    return folder


def drawn(source: TextSource, count: int, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    return [source.draw(generator) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_of_every_kind_are_well_formed(folder: Path, kind: str) -> None:
    texts = drawn(TextSource(folder, {kind: 1}, LANGUAGES), 1500)
    labels = [label_of(text) for text in texts]
    for label in labels:
        assert 1 <= len(label) <= LONGEST
        assert label == " ".join(label.split())
        assert label == unicodedata.normalize("NFC", label)
        assert set(label) <= set(VOCABULARY)
    assert len(set(labels)) > 200


def test_draws_depend_on_the_generator_only(folder: Path) -> None:
    source = TextSource(folder, KINDS, LANGUAGES)
    random.seed(1)
    first = drawn(source, 200, seed=3)
    random.seed(2)
    assert drawn(TextSource(folder, KINDS, LANGUAGES), 200, seed=3) == first
    assert drawn(source, 200, seed=4) != first


def test_only_the_given_characters(folder: Path) -> None:
    characters = string.ascii_letters + string.digits + ".,-"
    texts = drawn(TextSource(folder, KINDS, LANGUAGES, characters), 1000)
    assert set("".join(map(label_of, texts))) <= {*characters, " "}


def test_every_character_is_drawn(folder: Path) -> None:
    labels = drawn(TextSource(folder, {"random": 1}, LANGUAGES), 6000)
    assert set("".join(labels)) == set(VOCABULARY)


def test_a_caret_raises_letters_in_letters_only(folder: Path) -> None:
    def raised(kinds: dict[str, float]) -> int:
        labels = drawn(TextSource(folder, kinds, LANGUAGES), 2000)
        return sum(
            label[at : at + 1] == "^" and label[at + 1 : at + 2].isalnum()
            for label in labels
            for at in range(len(label))
        )

    assert raised({"historic": 1}) > 500
    assert raised({kind: 1 for kind in KINDS if kind != "historic"}) == 0


def test_notes_are_raised_numbers_behind_words_and_before_lines(folder: Path) -> None:
    texts = drawn(TextSource(folder, {"notes": 1}, LANGUAGES), 400)
    assert any(re.search(rf"[^\W\d]{NOTE}\d+ \w", text) for text in texts)
    assert any(re.match(rf"{NOTE}\d+ Ibid", text) for text in texts)
    assert label_of(f"{NOTE}53 Ibid, p. 7") == "53 Ibid, p. 7"
    assert label_of(f"operations,{NOTE}57 and") == "operations, 57 and"


def test_letters_are_english_and_french(folder: Path) -> None:
    labels = drawn(TextSource(folder, {"historic": 1}, {"fr": 1}), 600)
    assert any("Je soussigné" in label for label in labels)
    assert not any("Dear" in label for label in labels)


def test_case_is_varied_on_purpose(folder: Path) -> None:
    labels = drawn(TextSource(folder, {"prose": 1}, {"en": 1}), 3000)
    long = [label for label in labels if sum(map(str.isalpha, label)) > 20]
    shares = Counter(
        "upper" if label.isupper() else "lower" if label.islower() else "mixed" for label in long
    )
    assert 0.08 < shares["upper"] / len(long) < 0.16
    assert shares["lower"] / len(long) > 0.08
    assert shares["mixed"] / len(long) > 0.4


def test_prose_is_cut_between_words(folder: Path) -> None:
    language, rng = read_language(folder, "en"), Random(0)
    whole = set(PROSE["en"].split())
    for _ in range(500):
        piece = draw_prose(rng, language)
        assert piece.removesuffix("-") in PROSE["en"]
        assert set(piece.split()) <= whole or piece.endswith("-")


def test_another_corpus_is_read_too(folder: Path) -> None:
    (folder / "en" / "more.txt").write_text("zebra " * 400, encoding="utf-8")
    try:
        labels = drawn(TextSource(folder, {"prose": 1}, {"en": 1}), 300)
    finally:
        (folder / "en" / "more.txt").unlink()
    assert any("zebra" in label.lower() for label in labels)


def test_fields_have_their_forms() -> None:
    rng = Random(0)
    assert roman(1984) == "MCMLXXXIV"
    assert filled(rng, "A-#?*").startswith("A-")
    digit, capital, small = filled(rng, "#?*")
    assert digit.isdigit()
    assert capital.isupper()
    assert small.islower()
    assert all(any(map(str.isdigit, amount(rng))) for _ in range(300))
    assert {len(time(rng)) for _ in range(300)} >= {5, 8}


def test_what_cannot_be_drawn(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="prose"):
        TextSource(folder, {"poems": 1}, LANGUAGES)
    with pytest.raises(UsageError, match="positive"):
        TextSource(folder, {"prose": 0}, LANGUAGES)
    with pytest.raises(DataError, match="collect-texts"):
        TextSource(tmp_path, KINDS, LANGUAGES)
    with pytest.raises(DataError, match="'de'"):
        TextSource(folder, KINDS, {"de": 1})
