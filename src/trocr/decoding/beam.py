"""Beam search, and beam sampling: the hypotheses and scores that ``transformers`` finds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from .protocol import GenerateOutput, Hypothesis, StepModel
from .search import Search, draw


@dataclass
class _Input:
    """One input of the batch: its running beams, best first, and its finished hypotheses."""

    index: int
    beams: list[Hypothesis]
    finished: list[Hypothesis] = field(default_factory=list)
    stream: torch.Generator | None = None


@dataclass
class _Candidate:
    """A running beam of an input and the token that would continue it."""

    beam: int
    token: int
    score: float
    logprob: float


def beam_search(search: Search, model: StepModel) -> GenerateOutput:
    """Keep the ``num_beams`` best running beams of each input, and its best finished ones."""
    streams = search.generators([0] * search.batch)
    inputs = [_Input(i, [search.start()], stream=streams[i]) for i in range(search.batch)]
    logits = model.step(search.prompt_ids).float()
    running = inputs
    while True:
        parents: list[int] = []
        first_row = 0
        for item, candidates in zip(running, _best(search, running, logits), strict=True):
            old_beams = len(item.beams)
            parents += [first_row + beam for beam in _advance(search, item, candidates)]
            first_row += old_beams
        running = [item for item in running if item.beams]
        if not running:
            break
        if parents != list(range(first_row)):
            model.reorder(torch.tensor(parents, device=logits.device))
        last = [[beam.tokens[-1]] for item in running for beam in item.beams]
        logits = model.step(torch.tensor(last, device=logits.device)).float()
    return _output(search, inputs)


def _best(search: Search, running: list[_Input], logits: Tensor) -> list[list[_Candidate]]:
    """Return the candidates of each input, best first: enough to continue if many of them end."""
    config = search.config
    counts = [len(item.beams) for item in running]
    raw = logits.log_softmax(dim=-1)
    beams = [beam for item in running for beam in item.beams]
    scores = search.process(raw, beams, [item.index for item in running for _ in item.beams])
    _record(search, running, scores, logits)
    count = max(2, 1 + len(search.eos_token_ids)) * config.num_beams
    # An input's best are among each beam's best, far fewer than its beams times the vocabulary.
    width = logits.shape[1] if config.do_sample else min(count, logits.shape[1])
    scores, tokens = scores.topk(width)
    scores = scores + scores.new_tensor([beam.score for beam in beams]).unsqueeze(1)
    columns = [
        _by_input(scores, counts, -math.inf),
        _by_input(tokens, counts, 0),
        _by_input(raw.gather(1, tokens), counts, -math.inf),
    ]
    count = min(count, columns[0].shape[1])
    if config.do_sample:
        picks = draw(columns[0].softmax(dim=-1), count, [item.stream for item in running])
    else:
        picks = columns[0].topk(count).indices
    picked = [values.gather(1, picks).tolist() for values in columns]
    return [
        [
            _Candidate(place // width, token, score, logprob)
            for place, score, token, logprob in zip(*row, strict=True)
            if score > -math.inf
        ]
        for row in zip(picks.tolist(), *picked, strict=True)
    ]


def _by_input(values: Tensor, counts: list[int], fill: float) -> Tensor:
    """Lay the rows of each input side by side: (rows, width) -> (inputs, beams * width)."""
    if min(counts) < max(counts):
        blocks = list(torch.split(values, counts))
        values = pad_sequence(blocks, batch_first=True, padding_value=fill)
    return values.reshape(len(counts), -1)


def _advance(search: Search, item: _Input, candidates: list[_Candidate]) -> list[int]:
    """Sort candidates into finished hypotheses and running beams; return the beams' parents."""
    config = search.config
    ongoing: list[tuple[int, Hypothesis]] = []
    for rank, candidate in enumerate(candidates):
        beam = item.beams[candidate.beam]
        extended = beam.extended(
            candidate.token,
            candidate.logprob,
            origins=[*beam.origins, item.index * config.num_beams + candidate.beam],
            score=candidate.score,
            state=search.next_state(beam, candidate.token),
        )
        reason = search.finish_reason(extended.tokens)
        if not reason:
            ongoing.append((candidate.beam, extended))
        elif rank < config.num_beams:
            score = candidate.score / len(extended.tokens) ** config.length_penalty
            item.finished.append(replace(extended, score=score, finish_reason=reason))
    item.finished.sort(key=lambda hypothesis: -hypothesis.score)
    del item.finished[config.num_beams :]
    # Drawn candidates come in no order, so the best of them are sought out here.
    ongoing.sort(key=lambda pair: -pair[1].score)
    del ongoing[config.num_beams :]
    item.beams = [beam for _, beam in ongoing]
    if _is_done(search, item):
        item.beams = []
        return []
    return [parent for parent, _ in ongoing]


def _is_done(search: Search, item: _Input) -> bool:
    """Tell whether no running beam can, or is still meant to, improve the finished hypotheses."""
    config = search.config
    if not item.beams:
        return True
    if len(item.finished) < config.num_beams:
        return False
    if config.early_stopping is True:
        return True
    length = len(item.beams[0].tokens)
    if config.early_stopping == "never" and config.length_penalty > 0:
        length = search.max_length - search.prompt_len
    best_possible: float = item.beams[0].score / length**config.length_penalty
    return best_possible <= item.finished[-1].score


def _record(search: Search, running: list[_Input], scores: Tensor, logits: Tensor) -> None:
    """Keep the step's scores, each beam in its place; the first step's serve for every beam."""
    beams = search.config.num_beams
    places = [item.index * beams + beam for item in running for beam in range(len(item.beams))]
    if not running[0].beams[0].tokens:
        places = list(range(search.batch * beams))
        scores, logits = (values.repeat_interleave(beams, dim=0) for values in (scores, logits))
    search.record(scores, logits, places, search.batch * beams)


def _output(search: Search, inputs: list[_Input]) -> GenerateOutput:
    count = search.config.num_return_sequences
    best: list[Hypothesis] = []
    for item in inputs:
        missing = count - len(item.finished)
        best += item.finished[:count] + [Hypothesis(score=-math.inf)] * missing
    output = search.output(best)
    device = output.sequences.device
    output.sequences_scores = torch.tensor([row.score for row in best], device=device)
    output.beam_indices = torch.full_like(output.token_mask, -1, dtype=torch.int32)
    origins = [origin for row in best for origin in row.origins]
    output.beam_indices[output.token_mask] = torch.tensor(origins, dtype=torch.int32, device=device)
    return output
