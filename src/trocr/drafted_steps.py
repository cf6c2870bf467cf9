"""A decoder that reads ahead along a draft (Leviathan et al. 2023, arXiv 2211.17192)."""

from __future__ import annotations

import torch
from torch import Tensor

from .kv_cache import KVCache
from .model import VisionEncoderDecoderModel
from .outputs import EncoderOutput

LOOK_BACK, LOOK_AHEAD = 2, 2
SHORTEST_GUESS = 2  # tokens; read together with the one before at about the price of that one


class DraftedSteps:
    """The ``StepModel`` of one line: one pass scores the next token and what the draft expects.

    While the search follows the draft, its steps cost nothing. Where it leaves it, the rest of the
    draft is moved to fit the search's own token and read in one more pass. So the search gets the
    logits that it would get without a draft, whatever the draft.

    Args:
        model: in evaluation mode.
        encoded: one line.
        draft: token ids without start and end.

    Attributes:
        passes: of the decoder so far.
    """

    def __init__(
        self, model: VisionEncoderDecoderModel, encoded: EncoderOutput, draft: list[int]
    ) -> None:
        self.passes = 0
        self._model = model
        self._encoded = encoded
        self._draft = draft
        self._next = 0  # in the draft: the first token of the next guess
        self._reach = len(draft)  # tokens to guess: a draft that errs is trusted less far
        self._given_up = 0  # in the draft: all before was written, or comes too late
        self._cache = KVCache(model.config.decoder.decoder_layers)
        self._written: list[int] = []  # what the search has asked for
        self._read: list[int] = []  # what the cache holds: that, or a guess
        self._logits = torch.empty(0)  # of the last pass
        self._passed = 0  # tokens before the last pass

    def step(self, token_ids: Tensor) -> Tensor:
        """Append ``token_ids`` (1, new_tokens); the next token's logits (1, vocab)."""
        for token in token_ids[0].tolist():
            self._append(token)
        return self._logits[:, len(self._written) - 1 - self._passed]

    def read_ahead(self, start: int) -> Tensor:
        """Logits (1, draft + 1, vocab) after ``start`` and each token of the draft; no step yet."""
        self._pass([start, *self._draft])
        return self._logits

    def reorder(self, rows: Tensor) -> None:
        """One line stays where it is."""

    def _append(self, token: int) -> None:
        place = len(self._written)
        self._written.append(token)
        if self._read[place : place + 1] == [token]:
            return
        if place:
            self._realign(token, agreed=place - self._passed - 1)
            self._forget(place)
        self._pass([token, *self._guess(token)])

    def _realign(self, token: int, agreed: int) -> None:
        """Go on in the draft behind the nearest ``token``; there is none if it was misread."""
        self._reach = SHORTEST_GUESS + 2 * agreed
        refused = self._next + agreed
        if agreed:
            self._given_up = refused
        first = max(self._given_up, refused - LOOK_BACK)
        nearby = range(first, min(refused + LOOK_AHEAD + 1, len(self._draft)))
        same = [place for place in nearby if self._draft[place] == token]
        self._next = 1 + min(same, key=lambda place: abs(place - refused), default=refused)

    def _guess(self, token: int) -> list[int]:
        config = self._model.config.decoder
        if token == config.pad_token_id:  # positions of what follows depend on the pass
            return []
        room = config.max_position_embeddings - len(self._written)
        return self._draft[self._next :][: min(room, self._reach)]

    def _forget(self, length: int) -> None:
        """Cut the cache back to so many tokens."""
        del self._read[length:]
        self._cache.crop(length)

    def _pass(self, token_ids: list[int]) -> None:
        self._passed = len(self._read)
        device = self._encoded.last_hidden_state.device
        output = self._model(
            encoder_outputs=self._encoded,
            decoder_input_ids=torch.tensor([token_ids], device=device),
            past_key_values=self._cache,
            use_cache=True,
            return_dict=True,
        )
        self._logits = output.logits
        self._read += token_ids
        self.passes += 1
