"""Labels that have lost their case: what the losses make of them."""

from __future__ import annotations

from itertools import groupby, product

import pytest
import torch
from torch import Tensor

from trocr.tokenizer import Tokenizer
from trocr.training.case import CaseFolding
from trocr.training.loss import IGNORED, ctc_loss, decoder_loss

CHARACTERS = " .IiıSsſAaÉéªºĸß"
BLANK = 1


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_characters(CHARACTERS)


@pytest.fixture(scope="module")
def folding(tokenizer: Tokenizer) -> CaseFolding:
    return CaseFolding(tokenizer)


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    """Seven ids: all paths of a few frames can be listed."""
    return Tokenizer.from_characters("aA.")


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False)


def ctc(tokenizer: Tokenizer, logits: Tensor, texts: list[str], blind: list[bool]) -> Tensor:
    """The loss of unpadded lines, one frame a token."""
    mask = torch.ones(logits.shape[:2])
    ids = [encode(tokenizer, text) for text in texts]
    return ctc_loss(logits, mask, ids, BLANK, torch.tensor(blind), CaseFolding(tokenizer))


def summed_over_paths(tokenizer: Tokenizer, logits: Tensor, text: str, blind: bool) -> Tensor:
    """Probability of every alignment of one line's (frames, vocab) that reads as ``text``.

    Where the case is lost, a letter that changes its case on the way is still one letter.
    """
    lower, upper = encode(tokenizer, "aA")

    def seen(token: int) -> int:
        return upper if blind and token == lower else token

    probs = logits.softmax(-1)
    wanted = [seen(token) for token in encode(tokenizer, text)]
    total = torch.zeros((), dtype=logits.dtype)
    for path in product(range(logits.shape[1]), repeat=len(logits)):
        if [token for token, _ in groupby(map(seen, path)) if token != BLANK] == wanted:
            total = total + probs[range(len(path)), path].prod()
    return total


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


@pytest.mark.parametrize("label", ["A.A", "a.A", "aA", ""])
def test_a_case_blind_ctc_loss_sums_over_every_alignment(small: Tokenizer, label: str) -> None:
    logits = torch.randn(4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = -summed_over_paths(small, logits, label, blind=True).log() / max(1, len(label))
    torch.testing.assert_close(ctc(small, logits[None], [label], [True]), expected)


def test_a_case_blind_ctc_loss_sums_over_all_casings(small: Tokenizer) -> None:
    logits = torch.randn(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    casings = ("a.a", "a.A", "A.a", "A.A")
    total = sum(summed_over_paths(small, logits, text, blind=False) for text in casings)
    expected = -torch.as_tensor(total).log() / 3
    torch.testing.assert_close(ctc(small, logits[None], ["A.A"], [True]), expected)


def test_a_ctc_loss_that_knows_its_case_sums_over_one(small: Tokenizer) -> None:
    logits = torch.randn(2, 4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    cased = -summed_over_paths(small, logits[0], "a.A", blind=False).log() / 3
    blind = -summed_over_paths(small, logits[1], ".a", blind=True).log() / 2
    loss = ctc(small, logits, ["a.A", ".a"], [False, True])
    torch.testing.assert_close(loss, (cased + blind) / 2)


def test_gradients_of_the_case_blind_losses(small: Tokenizer) -> None:
    """Against finite differences; a row that knows its case beside one that does not."""
    logits = torch.randn(2, 4, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: ctc(small, x, ["aA", "A."], [True, False]), logits)
    labels = torch.tensor([encode(small, "a.A"), encode(small, "Aa.")])
    labels = torch.nn.functional.pad(labels, (0, 1), value=IGNORED)
    blind, folding = torch.tensor([True, False]), CaseFolding(small)
    assert torch.autograd.gradcheck(lambda x: decoder_loss(x, labels, blind, folding, 0.1), logits)


def test_a_case_blind_decoder_loss_sums_over_all_casings(small: Tokenizer) -> None:
    logits = torch.randn(1, 4, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    probs = logits[0].softmax(-1)
    casings = [encode(small, text) for text in ("a.A", "A.A", "a.a", "A.a")]
    expected = sum(probs[range(3), ids].prod() for ids in casings)
    labels = torch.tensor([[*casings[0], IGNORED]])
    loss = decoder_loss(logits, labels, torch.tensor([True]), CaseFolding(small), 0.0)
    torch.testing.assert_close(loss, -torch.log(torch.as_tensor(expected)) / 3)
    cased = decoder_loss(logits, labels, torch.tensor([False]), CaseFolding(small), 0.0)
    known = torch.nn.functional.cross_entropy(logits[0], labels[0], ignore_index=IGNORED)
    torch.testing.assert_close(cased, known)
    smoothed = decoder_loss(logits, labels, torch.tensor([False]), CaseFolding(small), 0.2)
    known = torch.nn.functional.cross_entropy(
        logits[0], labels[0], ignore_index=IGNORED, label_smoothing=0.2
    )
    torch.testing.assert_close(smoothed, known)


def test_a_case_blind_label_may_be_written_in_any_case(tokenizer: Tokenizer) -> None:
    logits = torch.randn(1, 24, len(tokenizer))
    losses = [ctc(tokenizer, logits, [text], [True]) for text in ("Iſ Éasß", "iſ éASß", "Iſ ÉASß")]
    assert losses[0] == losses[1] == losses[2]
    cased = [ctc(tokenizer, logits, [text], [False]) for text in ("Iſ Éasß", "iſ éASß")]
    assert cased[0] != cased[1]
    folding = CaseFolding(tokenizer)
    for blind, same in (True, True), (False, False):
        upper, lower = (
            decoder_loss(
                logits[:, :4],
                torch.tensor([encode(tokenizer, text)]),
                torch.tensor([blind]),
                folding,
                0.1,
            )
            for text in ("ISÉA", "iséa")
        )
        assert (upper == lower) == same


@pytest.mark.parametrize(
    ("label", "read", "taught"),
    [
        ("ISAÉ", "Isaé", "Isaé"),
        ("ISA", "", "ISA"),
        ("ISA.S", "i.a.s", "iSa.s"),  # S is not in what was read: as labelled
        ("AS IS", "as is is", "as is"),
        ("ISIS", "sis", "Isis"),
        ("", "is", ""),
        ("SI", "ſı", "SI"),  # other letters, not other cases
    ],
)
def test_the_decoder_is_taught_the_case_that_was_read(
    tokenizer: Tokenizer, folding: CaseFolding, label: str, read: str, taught: str
) -> None:
    ids = folding.recased(encode(tokenizer, label), encode(tokenizer, read))
    assert tokenizer.decode(ids) == taught
