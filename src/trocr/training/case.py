"""Labels that have lost their case: shapes are learnt from them, capitals are not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from rapidfuzz.distance import Levenshtein
from torch import Tensor

from ..tokenizer import Tokenizer


class CaseFolding:
    """Which token ids are the two cases of one letter.

    Attributes:
        lower_ids, upper_ids: (letters,) int64, pairs.
        other_case: (vocab,) int64; an id without another case stands for itself.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        ids = {text: i for i, text in enumerate(tokenizer.token_strings()) if text}
        # Both ways, for ı and ſ become I and S as well, and ª is its own upper case.
        pairs = [
            (ids[character], ids[upper])
            for character in ids
            if (upper := character.upper()) != character
            and upper.lower() == character
            and upper in ids
        ]
        self.lower_ids = torch.tensor([lower for lower, _ in pairs], dtype=torch.int64)
        self.upper_ids = torch.tensor([upper for _, upper in pairs], dtype=torch.int64)
        self.other_case = torch.arange(len(tokenizer))
        self.other_case[self.lower_ids] = self.upper_ids
        self.other_case[self.upper_ids] = self.lower_ids
        self._upper = dict(pairs)

    def fold(self, token_ids: Sequence[int]) -> list[int]:
        """Upper case for every letter that has both."""
        return [self._upper.get(token, token) for token in token_ids]

    def fold_log_probs(self, log_probs: Tensor) -> Tensor:
        """(..., vocab) log-probabilities with each letter's two cases summed in its upper case."""
        lower, upper = self.lower_ids.to(log_probs.device), self.upper_ids.to(log_probs.device)
        both = torch.logaddexp(log_probs[..., lower], log_probs[..., upper])
        folded = log_probs.index_copy(-1, upper, both)
        return folded.index_fill(-1, lower, torch.finfo(log_probs.dtype).min)

    def recased(self, label: Sequence[int], read: Sequence[int]) -> list[int]:
        """``label`` in the case of ``read``, wherever both have the same letter.

        The decoder is taught with what the picture shows, as far as the CTC head can see it.
        """
        folded_label, folded_read = self.fold(label), self.fold(read)
        result = list(label)
        for block in Levenshtein.opcodes(folded_label, folded_read):
            if block.tag == "equal":
                result[block.src_start : block.src_end] = read[block.dest_start : block.dest_end]
        return result
