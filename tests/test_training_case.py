"""Labels that have lost their case: what the losses make of them."""

from __future__ import annotations

import pytest
import torch

from trocr.tokenizer import Tokenizer
from trocr.training.case import CaseFolding

CHARACTERS = " .IiıSsſAaÉéªºĸß"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_characters(CHARACTERS)


@pytest.fixture(scope="module")
def folding(tokenizer: Tokenizer) -> CaseFolding:
    return CaseFolding(tokenizer)


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False)


def test_every_letter_has_one_other_case(tokenizer: Tokenizer, folding: CaseFolding) -> None:
    other = tokenizer.decode(folding.other_case[encode(tokenizer, CHARACTERS)].tolist())
    assert other == " .iIısSſaAéÉªºĸß"
    assert torch.equal(folding.other_case[folding.other_case], torch.arange(len(tokenizer)))


def test_folding_sums_both_cases_and_nothing_else(
    tokenizer: Tokenizer, folding: CaseFolding
) -> None:
    probs = torch.rand(3, len(tokenizer), dtype=torch.float64).softmax(-1)
    folded = folding.fold_log_probs(probs.log()).exp()
    for upper, lower in ("Ii", "Ss", "Aa", "Éé"):
        up, low = encode(tokenizer, upper + lower)
        torch.testing.assert_close(folded[:, up], probs[:, up] + probs[:, low])
        assert (folded[:, low] == 0).all()
    alone = encode(tokenizer, " .ıſªºĸß")
    torch.testing.assert_close(folded[:, alone], probs[:, alone])
    torch.testing.assert_close(folded.sum(-1), torch.ones(3, dtype=torch.float64))
