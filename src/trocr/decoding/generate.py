"""The way in: greedy search, sampling, beam search or beam sampling, as the settings say."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import UsageError
from ..generation_config import GenerationConfig
from .beam import beam_search
from .constraints import Constraint
from .protocol import GenerateOutput, StepModel
from .repetition import RepetitionGuard
from .sampling import sample_search
from .search import Search, longest_sequence


@torch.no_grad()
def generate(
    step_model: StepModel,
    prompt_ids: Tensor,
    config: GenerationConfig,
    *,
    max_positions: int,
    constraint: Constraint | None = None,
    stop_repetition: RepetitionGuard | None = None,
    generator: torch.Generator | None = None,
) -> GenerateOutput:
    """Continue each prompt until the end of sequence, the limit, or a loop.

    The first ``step`` gets the prompts as they are, one row for each input; rows for beams and
    further samples appear by ``reorder``, and rows that have finished may be dropped by it. No
    row's result depends on the others of the batch, except sampling without ``seed``.

    Args:
        step_model: scores the next token.
        prompt_ids: (batch, prompt_len) int64, without padding; at least one token.
        config: the settings; ``num_beams`` and ``do_sample`` choose the search.
        max_positions: longest sequence that the model can hold, prompt included.
        constraint: what the text must be; penalties that would leave no token give way to it.
        stop_repetition: ends a row that loops with the reason ``"repetition"``; its tokens stay,
            ``stop_repetition.kept_length`` tells where to cut.
        generator: random stream for sampling, shared by all rows; wins over ``config.seed``.

    Raises:
        UsageError: impossible settings, an empty prompt, or one as long as the limit.
    """
    config.validate()
    if prompt_ids.dim() != 2 or prompt_ids.shape[0] == 0 or prompt_ids.shape[1] == 0:
        raise UsageError(
            f"prompt_ids has the shape {tuple(prompt_ids.shape)}.",
            "Give (batch, prompt_len) with at least one row and one token.",
        )
    search = Search(
        config=config,
        prompt_ids=prompt_ids,
        max_length=longest_sequence(config, prompt_ids.shape[1], max_positions),
        constraint=constraint,
        guard=stop_repetition,
        generator=generator,
    )
    return (beam_search if config.num_beams > 1 else sample_search)(search, step_model)


def greedy_rules(
    start: int,
    config: GenerationConfig,
    *,
    max_positions: int,
    constraint: Constraint | None = None,
    stop_repetition: RepetitionGuard | None = None,
    device: torch.device | None = None,
) -> Search:
    """What a pool needs to write each line as ``generate`` would, whenever it joins.

    Args:
        start: the token that every line starts from.
        config, max_positions, constraint, stop_repetition: as for ``generate``; one sequence a
            line, nothing recorded.

    Raises:
        UsageError: impossible settings.
    """
    config = config.merged(output_scores=False, output_logits=False)
    prompt_ids = torch.tensor([[start]], device=device)
    limit = longest_sequence(config, 1, max_positions)
    return Search(config, prompt_ids, limit, constraint, stop_repetition)
