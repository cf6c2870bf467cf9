"""Search over token sequences: knows a model only as something that scores the next token.

``generate`` is the way in; :class:`StepModel` is what it needs.
"""

from trocr.decoding.constraints import Constraint, allow_characters, match_lexicon, match_regex
from trocr.decoding.generate import generate
from trocr.decoding.protocol import GenerateOutput, StepModel, sequence_confidence
from trocr.decoding.repetition import RepetitionGuard

__all__ = [
    "Constraint",
    "GenerateOutput",
    "RepetitionGuard",
    "StepModel",
    "allow_characters",
    "generate",
    "match_lexicon",
    "match_regex",
    "sequence_confidence",
]
