"""A model folder to what a hub takes: card, licence, scores, weights."""

from .card import About
from .folder import LICENSE, publish
from .scores import Scores, read_scores

__all__ = ["LICENSE", "About", "Scores", "publish", "read_scores"]
