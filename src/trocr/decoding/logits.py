"""Rules that change the scores of the next token, as ``transformers`` defines and orders them.

A rule takes the tokens so far, prompt included, (rows, length) int64, and float32 scores
(rows, vocab), and returns new scores; a banned token gets -inf. Greedy search and sampling score
with logits, beam search with log-probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..errors import UsageError
from ..generation_config import GenerationConfig

LogitsRule = Callable[[Tensor, Tensor], Tensor]

NEVER = -torch.inf


def ban_tokens(scores: Tensor, token_ids: Sequence[int]) -> Tensor:
    """Return ``scores`` with -inf for ``token_ids`` in every row."""
    if not token_ids:
        return scores
    if max(token_ids) >= scores.shape[-1]:
        raise UsageError(
            f"Token {max(token_ids)} is not in the vocabulary of {scores.shape[-1]} tokens.",
            "Check bad_words_ids, suppress_tokens and the special tokens.",
        )
    return scores.index_fill(1, torch.tensor(token_ids, device=scores.device), NEVER)


def only_tokens(scores: Tensor, token_ids: Sequence[int]) -> Tensor:
    """Return scores of 0 for ``token_ids`` and -inf for the rest."""
    forced = torch.full_like(scores, NEVER)
    return forced.index_fill(1, torch.tensor(token_ids, device=scores.device), 0.0)


def penalise_repetition(penalty: float) -> LogitsRule:
    """Divide positive scores of tokens that occurred by ``penalty``, multiply negative ones.

    Source: Keskar et al. 2019, CTRL, section 4.1.
    """

    def rule(tokens: Tensor, scores: Tensor) -> Tensor:
        seen = scores.gather(1, tokens)
        seen = torch.where(seen < 0, seen * penalty, seen / penalty)
        return scores.scatter(1, tokens, seen)

    return rule


def forbid_repeated_ngrams(size: int) -> LogitsRule:
    """Ban each token that would complete an n-gram of ``size`` tokens a second time."""

    def rule(tokens: Tensor, scores: Tensor) -> Tensor:
        length = tokens.shape[1]
        if length < size:
            return scores
        windows = tokens.unfold(1, size, 1)
        tail = tokens[:, length - size + 1 :]
        repeats = (windows[..., :-1] == tail.unsqueeze(1)).all(dim=-1)
        row, window = repeats.nonzero(as_tuple=True)
        scores = scores.clone()
        scores[row, windows[row, window, -1]] = NEVER
        return scores

    return rule


def forbid_words(words: Sequence[Sequence[int]], eos_token_ids: Sequence[int]) -> LogitsRule:
    """Ban the last token of each sequence after its other tokens; a lone EOS is never banned."""
    singles = [word[0] for word in words if len(word) == 1 and word[0] not in eos_token_ids]
    longer = [list(word) for word in words if len(word) > 1]

    def rule(tokens: Tensor, scores: Tensor) -> Tensor:
        scores = ban_tokens(scores, singles)
        for *head, last in longer:
            if len(head) > tokens.shape[1]:
                continue
            matches = (tokens[:, -len(head) :] == tokens.new_tensor(head)).all(dim=1)
            scores = torch.where(matches.unsqueeze(1), ban_tokens(scores, [last]), scores)
        return scores

    return rule


def ban_while(condition: Callable[[int], bool], token_ids: Sequence[int]) -> LogitsRule:
    """Ban ``token_ids`` while ``condition`` holds for the length so far."""

    def rule(tokens: Tensor, scores: Tensor) -> Tensor:
        return ban_tokens(scores, token_ids) if condition(tokens.shape[1]) else scores

    return rule


def force_at(length: int, token_ids: Sequence[int]) -> LogitsRule:
    """Allow only ``token_ids`` as the token after ``length`` tokens."""

    def rule(tokens: Tensor, scores: Tensor) -> Tensor:
        return only_tokens(scores, token_ids) if tokens.shape[1] == length else scores

    return rule


def divide_by_temperature(temperature: float) -> LogitsRule:
    """Divide the scores: below 1 sharpens, above 1 flattens the distribution."""
    return lambda tokens, scores: scores / temperature


def keep_top_k(top_k: int) -> LogitsRule:
    """Keep the ``top_k`` best tokens of each row, and those that tie with the last of them."""

    def rule(tokens: Tensor, scores: Tensor) -> Tensor:
        last = scores.topk(min(top_k, scores.shape[1])).values[:, -1:]
        return scores.masked_fill(scores < last, NEVER)

    return rule


def keep_top_p(top_p: float, least: int) -> LogitsRule:
    """Keep the smallest set of tokens with probability >= ``top_p``, and at least ``least``.

    Source: Holtzman et al. 2020, nucleus sampling.
    """

    def rule(tokens: Tensor, scores: Tensor) -> Tensor:
        ascending, order = scores.sort(dim=-1)
        drop = ascending.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
        drop[:, -least:] = False
        return scores.masked_fill(drop.scatter(1, order, drop), NEVER)

    return rule


def penalty_rules(config: GenerationConfig, prompt_len: int, max_length: int) -> list[LogitsRule]:
    """Rules that apply to every search, in order."""
    eos = config.eos_token_ids
    rules: list[LogitsRule] = []
    if config.repetition_penalty != 1.0:
        rules.append(penalise_repetition(config.repetition_penalty))
    if config.no_repeat_ngram_size > 0:
        rules.append(forbid_repeated_ngrams(config.no_repeat_ngram_size))
    if config.bad_words_ids:
        rules.append(forbid_words(config.bad_words_ids, eos))
    min_length = config.min_length
    if config.min_new_tokens is not None:
        min_length = prompt_len + config.min_new_tokens
    if min_length > prompt_len and eos:
        rules.append(ban_while(lambda length: length < min_length, eos))
    if config.forced_bos_token_id is not None:
        rules.append(force_at(1, [config.forced_bos_token_id]))
    if config.forced_eos_token_id is not None:
        rules.append(force_at(max_length - 1, config.forced_eos_token_ids))
    if config.suppress_tokens:
        rules.append(ban_while(lambda length: True, config.suppress_tokens))
    if config.begin_suppress_tokens:
        after_bos = prompt_len == 1 and config.forced_bos_token_id is not None
        begin = prompt_len + 1 if after_bos else prompt_len
        rules.append(ban_while(lambda length: length == begin, config.begin_suppress_tokens))
    return rules


def sampling_rules(config: GenerationConfig) -> list[LogitsRule]:
    """Rules that narrow the distribution before drawing, in order; none for ``do_sample=False``."""
    if not config.do_sample:
        return []
    # A beam must keep one token besides every EOS, or it could not go on.
    least = len(config.eos_token_ids or [0]) + 1 if config.num_beams > 1 else 1
    rules: list[LogitsRule] = []
    if config.temperature != 1.0:
        rules.append(divide_by_temperature(config.temperature))
    if config.top_k > 0:
        rules.append(keep_top_k(max(config.top_k, least)))
    if config.top_p < 1.0:
        rules.append(keep_top_p(config.top_p, least))
    return rules
