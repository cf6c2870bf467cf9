"""Constrained decoding: the language, the token automaton, and the searches under it."""

import random
import re
import string
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trocr.decoding import allow_characters, generate, match_lexicon, match_regex
from trocr.errors import UsageError
from trocr.generation_config import GenerationConfig

EOS = 0
CHARS = [None, None, *string.digits, *string.ascii_letters, *" ./-,:%€é"]
PIECES = [*CHARS, " 1", "12", "123", " the", "ab", "bc", "abc", "./", "0.", " a", "TO", "TAL", None]


class RandomModel:
    """Logits that depend on the row's image (its first token) and on everything after it."""

    def __init__(self, vocab_size, favour=()):
        self.vocab_size, self.favour, self.prefixes = vocab_size, list(favour), None

    def step(self, token_ids):
        new = token_ids.tolist()
        old = self.prefixes or [[]] * len(new)
        self.prefixes = [[*a, *b] for a, b in zip(old, new, strict=True)]
        rows = []
        for prefix in self.prefixes:
            generator = torch.Generator().manual_seed(hash(tuple(prefix)) % 2**31)
            rows.append(3 * torch.randn(self.vocab_size, generator=generator))
            rows[-1][self.favour] += 6
        return torch.stack(rows)

    def reorder(self, rows):
        self.prefixes = [self.prefixes[row] for row in rows.tolist()]


def text_of(tokens, strings):
    """What the tokens say: special tokens say nothing, a leading space is dropped."""
    text = "".join(strings[token] or "" for token in tokens)
    return text[1:] if text.startswith(" ") else text


SEARCHES = [
    {},
    {"do_sample": True, "seed": 1, "top_p": 0.9},
    {"num_beams": 4, "num_return_sequences": 2},
    {"num_beams": 3, "do_sample": True, "seed": 1},
]
CONSTRAINTS = {
    "0-9./": (lambda strings: allow_characters("0-9./", strings, EOS), r"[0-9./]*"),
    "date": (
        lambda strings: match_regex(r"\d{1,2}[./-]\d{1,2}[./-](19|20)\d\d", strings, EOS),
        r"\d{1,2}[./-]\d{1,2}[./-](19|20)\d\d",
    ),
    "words": (
        lambda strings: match_lexicon(["TOTAL", "abc", "abd", "a the b", "12"], strings, EOS),
        r"TOTAL|abc|abd|a the b|12",
    ),
}


@pytest.mark.parametrize("search", SEARCHES, ids=str)
@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("strings", [CHARS, PIECES], ids=["characters", "pieces"])
def test_every_search_keeps_to_the_rule_in_a_batch(search, name, strings):
    build, pattern = CONSTRAINTS[name]
    constraint = build(strings)
    config = GenerationConfig(eos_token_id=EOS, pad_token_id=1, **search)
    prompts = torch.tensor([[row, 1] for row in range(6)])

    def texts(rows):
        # The model likes what is forbidden, and its vocabulary is wider than the tokenizer's.
        model = RandomModel(len(strings) + 3, favour=[len(strings), 40, 41, 42])
        output = generate(model, rows, config, max_positions=60, constraint=constraint)
        lines = [row[2:][mask].tolist() for row, mask in zip(output[0], output[3], strict=True)]
        return [text_of(line, strings) for line in lines], output.finish_reasons

    batch, reasons = texts(prompts)
    assert any(batch)
    for text, reason in zip(batch, reasons, strict=True):
        assert re.fullmatch(pattern, text), text
        assert reason == "eos" or len(text) > 20
    count = config.num_return_sequences
    assert texts(prompts[4:5])[0] == batch[4 * count : 5 * count]


def test_beam_search_finds_the_best_word():
    words = ["abc", "abd", "12", "TOTAL"]
    constraint = match_lexicon(words, CHARS, EOS)
    config = GenerationConfig(
        num_beams=4,
        num_return_sequences=4,
        eos_token_id=EOS,
        length_penalty=0.0,
        early_stopping="never",
    )
    output = generate(
        RandomModel(len(CHARS)),
        torch.tensor([[1]]),
        config,
        max_positions=60,
        constraint=constraint,
    )

    def score(word):
        tokens, total = [1], 0.0
        for token in [*(CHARS.index(char) for char in word), EOS]:
            model = RandomModel(len(CHARS))
            total += model.step(torch.tensor([tokens])).log_softmax(-1)[0, token].item()
            tokens.append(token)
        return total

    found = [text_of(row[1:].tolist(), CHARS) for row in output.sequences]
    assert found == sorted(words, key=score, reverse=True)
    assert output.sequences_scores[0].item() == pytest.approx(score(found[0]))


def test_fewer_words_than_return_sequences():
    config = GenerationConfig(num_beams=3, num_return_sequences=3, eos_token_id=EOS)
    strings = [None, "a", "b"]
    output = generate(
        RandomModel(len(strings)),
        torch.tensor([[1]]),
        config,
        max_positions=60,
        constraint=match_lexicon(["ab"], strings, EOS),
    )
    assert text_of(output.sequences[0, 1:].tolist(), strings) == "ab"
    assert output.finish_reasons == ["eos", "none", "none"]


@pytest.mark.parametrize("num_beams", [1, 3])
def test_constraint_wins_over_penalties(num_beams):
    config = GenerationConfig(
        eos_token_id=EOS, min_new_tokens=9, no_repeat_ngram_size=1, num_beams=num_beams
    )
    output = generate(
        RandomModel(len(CHARS)),
        torch.tensor([[1]]),
        config,
        max_positions=60,
        constraint=match_lexicon(["aaaa"], CHARS, EOS),
    )
    assert text_of(output.sequences[0, 1:].tolist(), CHARS) == "aaaa"


@pytest.mark.parametrize("limit", [3, 4, 5, 12])
def test_the_text_ends_in_time_where_it_can(limit):
    constraint = match_regex(r"(a[a-z]{7}|[bc]+1[de])(x{9})?", CHARS, EOS)
    config = GenerationConfig(eos_token_id=EOS, max_new_tokens=limit)
    prompts = torch.arange(9).unsqueeze(1)
    output = generate(
        RandomModel(len(CHARS), favour=[CHARS.index("a"), CHARS.index("b")]),
        prompts,
        config,
        max_positions=60,
        constraint=constraint,
    )
    for row, reason in zip(output.sequences, output.finish_reasons, strict=True):
        text = text_of(row[1:].tolist(), CHARS)
        assert re.fullmatch(r"(a[a-z]{7}|[bc]+1[de])(x{9})?", text), text
        assert reason == "eos" or len(text) == limit


def test_a_limit_too_short_for_any_text_says_so():
    constraint = match_lexicon(["TOTAL"], CHARS, EOS)
    config = GenerationConfig(eos_token_id=EOS, max_new_tokens=3)
    output = generate(
        RandomModel(len(CHARS)), torch.tensor([[1]]), config, max_positions=9, constraint=constraint
    )
    assert text_of(output.sequences[0, 1:].tolist(), CHARS) == "TOT"
    assert output.finish_reasons == ["length"]


def test_first_token_loses_its_space_and_later_ones_keep_it():
    strings = [None, " 12", "12", " "]
    constraint = allow_characters("0-9", strings, EOS)
    assert constraint.allowed(constraint.initial).tolist() == [True, True, True, True]
    for first in (1, 2, 3):
        state = constraint.advance(constraint.initial, first)
        assert constraint.allowed(state).tolist() == [True, False, True, False]


def test_no_dead_ends_when_single_characters_are_missing():
    # "q" is written only as "qu", and "z" not at all.
    strings = [None, "a", "qu", "i", "t", "za", "q"[:0]]
    constraint = match_regex("aqit|aquit|za|ait", strings, EOS)
    start = constraint.allowed(constraint.initial)
    assert start.tolist() == [False, True, False, False, False, True, False]
    after_a = constraint.allowed(constraint.advance(constraint.initial, 1))
    assert after_a.tolist() == [False, False, True, True, False, False, False]
    dead_end = match_regex("a(tq|i)", strings, EOS)
    assert dead_end.allowed(dead_end.advance(dead_end.initial, 1)).tolist()[3:5] == [True, False]


@pytest.mark.parametrize(
    "build",
    [
        lambda: allow_characters("α-ω", CHARS, EOS),
        lambda: allow_characters("", CHARS, EOS),
        lambda: allow_characters("9-0", CHARS, EOS),
        lambda: match_regex("α+", CHARS, EOS),
        lambda: match_regex("[0-9]α", CHARS, EOS),
        lambda: match_regex("(a{900}){900}", CHARS, EOS),
        lambda: match_regex("(a|b)*a(a|b){20}", CHARS, EOS),
        lambda: match_lexicon([], CHARS, EOS),
        lambda: match_lexicon(["αβ"], CHARS, EOS),
    ],
)
def test_what_cannot_be_matched_is_a_usage_error(build):
    with pytest.raises(UsageError):
        build()


@pytest.mark.parametrize(
    ("pattern", "position"),
    [
        (r"^a", 0),
        (r"ab$", 2),
        (r"a(?=b)", 2),
        (r"a(?P<x>b)", 2),
        (r"(a)\1", 4),
        (r"\bword", 1),
        (r"a*?", 2),
        (r"a{2", 1),
        (r"a{3,2}", 1),
        (r"*a", 0),
        (r"(ab", 3),
        (r"ab)", 2),
        (r"[ab", 3),
        (r"a\\"[:2], 2),
    ],
)
def test_unsupported_syntax_says_where(pattern, position):
    with pytest.raises(UsageError, match=f"at position {position} of"):
        match_regex(pattern, CHARS, EOS)


def test_constraint_of_another_tokenizer_is_refused():
    constraint = allow_characters("0-9", CHARS, EOS)
    with pytest.raises(UsageError, match="tokens"):
        constraint.allowed_rows([constraint.initial], 9, vocab_size=5)


atoms = st.sampled_from(
    ["a", "b", "1", r"\.", ".", r"\d", r"\W", r"\s", "[a-c]", "[^a1]", r"[\d.-]", "[]a]", "(?:ab)"]
)
patterns = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{,2}", "{1,}"])).map(
            lambda pair: f"({pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(patterns, st.lists(st.text("ab1. -]", max_size=6), min_size=1, max_size=6))
def test_patterns_mean_what_re_says(pattern, texts):
    strings = [None, *"ab1. -]\n"]
    constraint = match_regex(pattern, strings, EOS)
    for text in texts:
        state = 0  # the automaton's own start: inside a line every space counts
        for char in text:
            state = constraint.advance(state, strings.index(char))
        assert constraint.accepts(state) == bool(re.fullmatch(pattern, text))


@settings(max_examples=60, deadline=None)
@given(patterns, st.integers(0, 10**6))
def test_allowed_tokens_always_lead_to_a_match(pattern, seed):
    strings = [None, *"b1. ", "ab", "a1", "-.", " a"]
    try:
        constraint = match_regex(pattern, strings, EOS)
    except UsageError:
        return
    rng = random.Random(seed)
    state, tokens = constraint.initial, []
    while EOS not in tokens:
        choices = constraint.allowed(state, 40 - len(tokens)).nonzero().flatten().tolist()
        tokens.append(rng.choice(choices))
        state = constraint.advance(state, tokens[-1])
        assert len(tokens) < 60
    assert re.fullmatch(pattern, text_of(tokens, strings))


def test_large_lexicon_and_vocabulary_are_quick():
    rng = random.Random(0)
    strings = [None, *string.ascii_lowercase]
    strings += ["".join(rng.choices(string.ascii_lowercase, k=4)) for _ in range(50_000)]
    words = ["".join(rng.choices(string.ascii_lowercase, k=9)) for _ in range(20_000)]
    start = time.perf_counter()
    constraint = match_lexicon(words, strings, EOS)
    state = constraint.initial
    for char in words[0]:
        assert constraint.allowed(state)[strings.index(char)]
        state = constraint.advance(state, strings.index(char))
    assert constraint.allowed(state)[EOS]
    assert time.perf_counter() - start < 20
