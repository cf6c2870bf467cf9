"""From the evidence for a reading to the probability that it is right: stored calibrations."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import CheckpointError
from .hybrid import Hypothesis

CALIBRATION = "calibration.json"
LEAST_DOUBT = 1e-4  # of -ln p: below it one probability is as good as another


def evidence(hypothesis: Hypothesis) -> dict[str, float]:
    """What speaks for a reading; no number falls when a probability that a network gave rises.

    Returns:
        -ln(0.0001 - ln p) for p of ``decoder``: a token under the decoder, the geometric mean;
        ``weakest_token``: the least probable of these tokens; ``ctc``: a token under the CTC head,
        the geometric mean, where there is one. ``brevity``: -ln(number of tokens), as every
        character is one more that may be wrong, or labelled otherwise. The end counts as a token.
    """
    logprobs = hypothesis.token_logprobs
    found = {
        "brevity": -math.log(len(logprobs)),
        "decoder": _certainty(sum(logprobs) / len(logprobs)),
        "weakest_token": _certainty(min(logprobs)),
    }
    if hypothesis.ctc_logprob is not None:
        found["ctc"] = _certainty(hypothesis.ctc_logprob / len(logprobs))
    return found


def _certainty(logprob: float) -> float:
    return -math.log(LEAST_DOUBT + min(max(-logprob, 0.0), 1e6))


@dataclass(frozen=True)
class Calibration:
    """The probability that a text is right in every character, by logistic regression.

    Attributes:
        bias: log-odds where all evidence is 0.
        weights: of the evidence by its name, none below 0: more evidence never lowers it.
        n: lines it was fitted on.
        fitted_on: what they were, and what it gained; for people.
    """

    bias: float
    weights: Mapping[str, float]
    n: int
    fitted_on: list[dict[str, Any]]

    def probability(self, found: Mapping[str, float]) -> float:
        """0-1.

        Args:
            found: from `evidence`.
        """
        log_odds = self.bias + sum(weight * found[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(log_odds, -700.0)))

    def probabilities(self, readings: Sequence[Mapping[str, float]]) -> list[float]:
        """Of readings of one line, best first: none above a better one's, 1 in sum at most.

        One reading can only be right where the better ones are wrong.
        """
        found: list[float] = []
        for reading in readings:
            left = max(0.0, 1 - sum(found))
            found.append(min(left * self.probability(reading), *found[-1:], 1.0))
        return found

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False)
        (folder / CALIBRATION).write_text(text + "\n", encoding="utf-8")


def stored_calibration(folder: Path) -> Calibration | None:
    """The calibration in a model's folder, or None where there is none.

    Raises:
        CheckpointError: it is damaged.
    """
    path = folder / CALIBRATION
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Calibration(
            bias=float(values["bias"]),
            weights={name: float(weight) for name, weight in values["weights"].items()},
            n=int(values["n"]),
            fitted_on=list(values["fitted_on"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error!r}.", "Delete it, or fit it anew: `trocr calibrate`."
        ) from None
