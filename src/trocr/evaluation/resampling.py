"""How sure a score is: intervals by bootstrap, and tests by randomisation, over lines or pages.

Both work on counts whose sums make a score, so that a draw is one row of a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Scores = Callable[[FloatArray], dict[str, FloatArray]]

DRAWS = 2000
SEED = 0
LEVEL = 95  # percent, of the intervals
_CELLS = 2_000_000  # of a matrix of draws at one time


def bootstrap(counts: NDArray[np.int64], draws: int = DRAWS, seed: int = SEED) -> FloatArray:
    """Sums over units drawn with replacement, as many as there are.

    Args:
        counts: (units, columns).

    Returns:
        (draws, columns). The same seed draws the same units, whatever the columns.
    """
    units = len(counts)
    generator = np.random.default_rng(seed)
    even = np.full(units, 1 / units)
    weights = (generator.multinomial(units, even, part) for part in _parts(draws, units))
    return np.concatenate([part.astype(np.float64) @ counts for part in weights])


def interval(drawn: FloatArray) -> tuple[float, float]:
    """The middle ``LEVEL`` percent of what was drawn: a percentile interval (Efron 1979)."""
    low, high = np.percentile(drawn, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return float(low), float(high)


def p_values(
    counts: NDArray[np.int64],
    against: NDArray[np.int64],
    scores_of: Scores,
    draws: int = DRAWS,
    seed: int = SEED,
) -> dict[str, float]:
    """Two-sided paired randomisation test that both sides are as good (Noreen 1989).

    In each draw every unit's counts are swapped between the sides, or not, by the toss of a coin;
    p is the share of draws with a difference as large as the true one. All swaps are tried where
    they are no more than ``draws``; else they are random, and the true one is counted among them.

    Args:
        counts, against: (units, columns), the same units in the same order.
        scores_of: sums (..., columns) to scores (...).

    Returns:
        0-1 by name of the score.
    """
    units = len(counts)
    exact = 2**units <= draws
    total = counts.sum(0) + against.sum(0)
    true = _differences(counts.sum(0, dtype=np.float64), total, scores_of)
    as_large = dict.fromkeys(true, 0)
    tried = 0
    for swaps in _every_swap(units) if exact else _random_swaps(units, draws, seed):
        sums = counts.sum(0) + swaps.astype(np.float64) @ (against - counts)
        tried += len(swaps)
        for name, found in _differences(sums, total, scores_of).items():
            as_large[name] += int((np.abs(found) >= np.abs(true[name]) - 1e-9).sum())
    return {name: (n + (not exact)) / (tried + (not exact)) for name, n in as_large.items()}


def _differences(
    sums: FloatArray, total: NDArray[np.int64], scores_of: Scores
) -> dict[str, FloatArray]:
    first, second = scores_of(sums), scores_of(total - sums)
    return {name: first[name] - second[name] for name in first}


def _every_swap(units: int) -> Iterator[NDArray[np.int64]]:
    yield np.arange(2**units)[:, None] >> np.arange(units) & 1


def _random_swaps(units: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    return (generator.integers(0, 2, (part, units)) for part in _parts(draws, units))


def _parts(draws: int, units: int) -> list[int]:
    """Draws, in parts that fit into memory."""
    most = max(1, _CELLS // max(1, units))
    return [min(most, draws - start) for start in range(0, draws, most)]
