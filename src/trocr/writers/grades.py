"""Three grades of confidence, as the overlay and the report show them."""

from __future__ import annotations

SURE, CHECK, DOUBTFUL, UNKNOWN = "sure", "check", "doubtful", "unknown"
AT_LEAST = {SURE: 0.9, CHECK: 0.6}
# Told apart also by people who do not see red or green.
COLOURS = {SURE: "#0072b2", CHECK: "#e69f00", DOUBTFUL: "#d0021b", UNKNOWN: "#6b7280"}


def grade(confidence: float | None) -> str:
    """``"sure"``, ``"check"`` or ``"doubtful"``; ``"unknown"`` for None."""
    if confidence is None:
        return UNKNOWN
    return next((name for name, least in AT_LEAST.items() if confidence >= least), DOUBTFUL)
