import itertools
import math

import pytest
import torch

from trocr.ctc import ctc_greedy_ids, ctc_log_probability

BLANK = 1


def logits_of(path, vocab=6, strength=8.0):
    return torch.nn.functional.one_hot(torch.tensor(path), vocab).float() * strength


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ([1, 4, 4, 1, 4, 5], [4, 4, 5]),
        ([4, 4, 4, 4], [4]),
        ([1, 1, 1, 1], []),
        ([5, 1, 5, 5], [5, 5]),
    ],
)
def test_greedy_merges_repeats_and_drops_blanks(path, ids):
    mask = torch.ones(1, len(path))
    assert ctc_greedy_ids(logits_of(path)[None], mask, BLANK) == [ids]


def test_greedy_ignores_padding():
    logits = logits_of([4, 1, 5, 5])[None]
    assert ctc_greedy_ids(logits, torch.tensor([[1, 0]]), BLANK) == [[4]]


def collapse(path):
    merged = [token for token, _ in itertools.groupby(path)]
    return [token for token in merged if token != BLANK]


def test_log_probability_sums_all_alignments():
    torch.manual_seed(0)
    logits = torch.randn(4, 4)
    probabilities = logits.softmax(-1)
    texts = [[], [2], [2, 3], [3, 3], [0, 2, 3]]
    expected = dict.fromkeys(map(tuple, texts), 0.0)
    for path in itertools.product(range(4), repeat=4):
        text = tuple(collapse(path))
        if text in expected:
            expected[text] += math.prod(
                float(probabilities[t, token]) for t, token in enumerate(path)
            )
    found = ctc_log_probability(logits, torch.ones(2), texts, BLANK)
    assert found == pytest.approx([math.log(expected[tuple(text)]) for text in texts], abs=1e-5)


def test_a_text_longer_than_the_line_is_impossible():
    assert ctc_log_probability(torch.randn(2, 4), torch.ones(1), [[2, 2, 2]], BLANK) == [-math.inf]
