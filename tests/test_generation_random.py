"""Any settings, any weights: ``generate`` writes what ``transformers`` writes."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_models import POSITIONS, VOCAB_SIZE, pair

from trocr.model import VisionEncoderDecoderModel

TOKENS = st.integers(3, VOCAB_SIZE - 1)


@st.composite
def generation_settings(draw: st.DrawFn) -> dict[str, Any]:
    num_beams = draw(st.sampled_from([1, 2, 3, 5]))
    options: dict[str, Any] = {
        "num_beams": num_beams,
        "num_return_sequences": draw(st.integers(1, num_beams)),
        "max_length": draw(st.integers(4, POSITIONS)),
        "min_length": draw(st.integers(0, 8)),
        "no_repeat_ngram_size": draw(st.integers(0, 3)),
        "repetition_penalty": draw(st.sampled_from([0.8, 1.0, 1.4])),
        "eos_token_id": draw(st.lists(TOKENS, min_size=1, max_size=12, unique=True)),
        "suppress_tokens": draw(st.none() | st.lists(TOKENS, min_size=1, max_size=4)),
        "bad_words_ids": draw(
            st.none() | st.lists(st.lists(TOKENS, min_size=1, max_size=2), min_size=1, max_size=4)
        ),
    }
    if num_beams > 1:
        options["length_penalty"] = draw(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]))
        options["early_stopping"] = draw(st.sampled_from([True, False, "never"]))
    return {name: value for name, value in options.items() if value is not None}


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(options=generation_settings(), seed=st.integers(0, 1000))
def test_any_settings_write_the_same(options: dict[str, Any], seed: int) -> None:
    theirs, ours = doubles()
    pixels = torch.randn((2, 3, 16, 16), generator=torch.Generator().manual_seed(seed))
    expected = theirs.generate(pixels.double(), **options)
    assert ours.generate(pixels, **options).tolist() == expected.tolist()


def doubles(kept: list[tuple[Any, Any]] = []) -> tuple[Any, VisionEncoderDecoderModel]:  # noqa: B006
    """A pair in double precision, where no two beams tie by rounding."""
    if not kept:
        models = pair("vit")
        theirs = transformers.VisionEncoderDecoderModel.from_pretrained(models.folder).double()
        ours = VisionEncoderDecoderModel.from_pretrained(models.folder).double()
        kept.append((theirs.eval(), ours))
    return kept[0]
