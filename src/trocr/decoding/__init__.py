"""Search over token sequences: knows a model only as something that scores the next token.

``generate`` is the way in; :class:`StepModel` is what it needs.
"""

from .constraints import Constraint, allow_characters, match_lexicon, match_regex
from .generate import generate, line_pool
from .pool import LinePool, PoolRow
from .protocol import GenerateOutput, JoinableSteps, StepModel
from .repetition import RepetitionGuard
from .search import longest_sequence

__all__ = [
    "Constraint",
    "GenerateOutput",
    "JoinableSteps",
    "LinePool",
    "PoolRow",
    "RepetitionGuard",
    "StepModel",
    "allow_characters",
    "generate",
    "line_pool",
    "longest_sequence",
    "match_lexicon",
    "match_regex",
]
