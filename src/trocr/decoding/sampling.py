"""Greedy search and multinomial sampling: one line per sequence, one token per step."""

from __future__ import annotations

import torch

from .pool import LinePool, PoolRow
from .protocol import GenerateOutput, StepModel
from .search import Search


def sample_search(search: Search, model: StepModel) -> GenerateOutput:
    """Take the likeliest token at each step, or draw it if ``do_sample``."""
    copies = search.config.num_return_sequences
    places = range(search.batch * copies)
    streams = search.generators([place % copies for place in places])
    rows = [PoolRow(place, search.start(), place, streams[place]) for place in places]
    logits = model.step(search.prompt_ids)
    if copies > 1:
        inputs = torch.arange(search.batch, device=logits.device).repeat_interleave(copies)
        model.reorder(inputs)
        logits = logits[inputs]
    pool = LinePool(search)
    pool.admit(rows, model, logits)
    while len(pool):
        pool.advance()
    return search.output([row.line for row in rows])
