"""Search over token sequences: knows a model only as something that scores the next token.

``generate`` is the way in; :class:`StepModel` is what it needs.
"""

from .constraints import Constraint, allow_characters, match_lexicon, match_regex
from .drafted import DraftedPool, DraftedRow
from .generate import generate, greedy_rules
from .pool import LinePool, PoolRow, WrittenRow
from .protocol import GenerateOutput, JoinableSteps, ReadingSteps, StepModel
from .repetition import RepetitionGuard
from .search import longest_sequence

__all__ = [
    "Constraint",
    "DraftedPool",
    "DraftedRow",
    "GenerateOutput",
    "JoinableSteps",
    "LinePool",
    "PoolRow",
    "ReadingSteps",
    "RepetitionGuard",
    "StepModel",
    "WrittenRow",
    "allow_characters",
    "generate",
    "greedy_rules",
    "longest_sequence",
    "match_lexicon",
    "match_regex",
]
