"""Drafts of real lines: what is accepted, and what is searched along a draft, is greedy's text."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch
from line_models import decoded

from trocr.hybrid import EncodedLines, HybridDecoder
from trocr.image import load_image
from trocr.labelled_lines import read_labelled_lines
from trocr.recognizer import load

SHARED = Path(__file__).parents[2] / "shared"
LINES, BATCH = 352, 32  # lines of each set
SETS = ("sroie-train", "peraire", "ehri_english")


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.timeout(1800)
@torch.inference_mode()
def test_drafts_do_not_change_what_printed_writes():
    reader = load("printed", device="cpu", dtype="float32")
    images = [
        line.image
        for name in SETS
        for line in islice(read_labelled_lines(SHARED / "data" / f"{name}.tar.gz"), LINES)
    ]
    decoder = HybridDecoder(reader.model, reader.model.generation_settings(num_beams=1))
    different = []
    for start in range(0, len(images), BATCH):
        pictures = [load_image(image) for image in images[start : start + BATCH]]
        inputs = reader.processor.image_processor(pictures, return_tensors="pt")
        encoded = reader.model.encode(**inputs)
        drafts = reader.drafter(pictures, encoded)
        lines = EncodedLines(list(range(len(pictures))), encoded, drafts)
        alone = [
            EncodedLines([row], lines.select([row]).encoded, [drafts[row]])
            for row in range(0, len(lines), 4)
        ]
        greedy = [line[0].token_ids for line in decoder._search(encoded)]
        for batches, size in (([lines], BATCH), (alone, 1)):
            for part, found in decoded(decoder, batches, size):
                for number, hypotheses in zip(part.numbers, found, strict=True):
                    # An accepted draft is the only hypothesis, a refused one competes.
                    if greedy[number] not in [hypothesis.token_ids for hypothesis in hypotheses]:
                        different.append(start + number)
    assert len(images) > 1000
    assert decoder.counts.acceptance_rate > 0.3
    assert not different
