"""Greedy search and multinomial sampling: one line per sequence, one token per step."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .protocol import GenerateOutput, Hypothesis
from .search import Search, draw

# Copying a cache costs about one step, so drop finished rows only when they are this many.
DROP_SHARE = 0.25


def sample_search(search: Search) -> GenerateOutput:
    """Take the likeliest token at each step, or draw it if ``do_sample``."""
    copies = search.config.num_return_sequences
    lines = [search.start() for _ in range(search.batch * copies)]
    held = list(range(len(lines)))
    streams = search.generators([line % copies for line in held])
    logits = search.model.step(search.prompt_ids).float()
    if copies > 1:
        rows = torch.arange(search.batch, device=logits.device).repeat_interleave(copies)
        search.model.reorder(rows)
        logits = logits[rows]
    while True:
        open_rows = [row for row, line in enumerate(held) if lines[line].finish_reason == "none"]
        open_lines = [held[row] for row in open_rows]
        chosen = _choose(
            search,
            logits if len(open_rows) == len(held) else logits[open_rows],
            [lines[line] for line in open_lines],
            open_lines,
            [streams[line] for line in open_lines],
        )
        for line, extended in zip(open_lines, chosen, strict=True):
            lines[line] = extended
        if all(line.finish_reason != "none" for line in lines):
            break
        held = _drop_finished(search, held, lines)
        logits = search.model.step(_last_tokens(search, held, lines)).float()
    return search.output(lines)


def _choose(
    search: Search,
    logits: Tensor,
    rows: list[Hypothesis],
    lines: list[int],
    streams: list[torch.Generator | None],
) -> list[Hypothesis]:
    """Extend each open row by one token."""
    copies = search.config.num_return_sequences
    scores = search.process(logits, rows, [line // copies for line in lines])
    search.record(scores, logits, lines, search.batch * copies)
    if search.config.do_sample:
        tokens = draw(scores.softmax(dim=-1), 1, streams).squeeze(1)
    else:
        tokens = scores.max(dim=-1).indices
    logprobs = logits.gather(1, tokens.unsqueeze(1)).squeeze(1) - logits.logsumexp(dim=-1)
    extended = []
    for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
        row = row.extended(token, logprob, state=search.next_state(row, token))
        extended.append(replace(row, finish_reason=search.finish_reason(row.tokens) or "none"))
    return extended


def _drop_finished(search: Search, held: list[int], lines: list[Hypothesis]) -> list[int]:
    """Return the lines whose rows stay in the model's cache."""
    rows = [row for row, line in enumerate(held) if lines[line].finish_reason == "none"]
    if len(held) - len(rows) < DROP_SHARE * len(held) or len(rows) == len(held):
        return held
    search.model.reorder(torch.tensor(rows, device=search.prompt_ids.device))
    return [held[row] for row in rows]


def _last_tokens(search: Search, held: list[int], lines: list[Hypothesis]) -> Tensor:
    """Return (rows, 1) int64: the last token of each open line, padding for finished ones."""
    tokens = [
        lines[line].tokens[-1] if lines[line].finish_reason == "none" else search.pad_token_id
        for line in held
    ]
    return torch.tensor(tokens, device=search.prompt_ids.device).unsqueeze(1)
