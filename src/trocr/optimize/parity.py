"""Whether an exported model reads what its original reads, and how fast."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..image import load_image
from ..labelled_lines import LabelledLine
from ..line_result import LineResult
from ..metrics import character_error_rate
from ..recognizer import Recognizer

REPORT = "parity.json"
MOST_DIFFERENT = 0.005  # of the lines
BATCH_SIZE = 32


@dataclass(frozen=True)
class Parity:
    """The original, ``torch`` in float32, against an exported model.

    Attributes:
        format: of the exported model.
        lines: that were read.
        identical_texts: lines of which both say the same.
        largest_difference: between their ``encoder_states``, ``ctc_logits`` (where there are any)
            and ``decoder_logits`` of the text that the original read.
        cer: character error rate of each, in percent.
        lines_per_second: of each, by the same number of threads, in turns.
        threads: that each may use.
    """

    format: str
    lines: int
    identical_texts: int
    largest_difference: dict[str, float]
    cer: dict[str, float]
    lines_per_second: dict[str, float]
    threads: int

    @property
    def holds(self) -> bool:
        """Whether few enough texts differ."""
        return self.lines - self.identical_texts <= MOST_DIFFERENT * self.lines

    def save(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2)
        (folder / REPORT).write_text(text + "\n", encoding="utf-8")


@torch.inference_mode()
def compare(
    original: Recognizer,
    exported: Recognizer,
    kind: str,
    lines: Sequence[LabelledLine],
    on_line: Callable[[], None] = lambda: None,
) -> Parity:
    """Read lines with both, a batch at a time.

    Args:
        kind: the format of ``exported``, for the report.
        on_line: called with every line that both have read.

    Raises:
        ImageError: a picture that cannot be read.
    """
    readers = {"torch": original, kind: exported}
    texts: dict[str, list[str]] = {name: [] for name in readers}
    seconds = dict.fromkeys(readers, 0.0)
    largest: dict[str, float] = {}
    for reader in readers.values():  # the first pass is slower than all others
        reader.read_lines([lines[0].image])
    for start in range(0, len(lines), BATCH_SIZE):
        pictures = [load_image(line.image) for line in lines[start : start + BATCH_SIZE]]
        found: dict[str, list[LineResult]] = {}
        for name, reader in readers.items():
            began = time.perf_counter()
            found[name] = reader.read_lines(pictures, batch_size=BATCH_SIZE)
            seconds[name] += time.perf_counter() - began
            texts[name] += [result.text for result in found[name]]
        read = [result.token_ids for result in found["torch"]]
        for name, difference in _differences(original, exported, pictures, read).items():
            largest[name] = max(difference, largest.get(name, 0.0))
        for _ in pictures:
            on_line()
    labels = [line.text for line in lines]
    return Parity(
        format=kind,
        lines=len(lines),
        identical_texts=sum(map(str.__eq__, *texts.values())),
        largest_difference=largest,
        cer={name: character_error_rate(found, labels) for name, found in texts.items()},
        lines_per_second={name: len(lines) / spent for name, spent in seconds.items()},
        threads=torch.get_num_threads(),
    )


def _differences(
    original: Recognizer,
    exported: Recognizer,
    pictures: Sequence[Image.Image],
    texts: Sequence[Sequence[int]],
) -> dict[str, float]:
    """The largest differences by name; ``texts`` are token ids without special tokens."""
    inputs = original.processor.image_processor(list(pictures), return_tensors="pt")
    start = original.model.config.decoder.decoder_start_token_id
    longest = max(map(len, texts))
    tokens = torch.tensor([[start, *text, *[start] * (longest - len(text))] for text in texts])
    values = [_values(reader.model, inputs, tokens) for reader in (original, exported)]
    return {name: _largest(ours, values[1][name]) for name, ours in values[0].items()}


def _values(model: Any, inputs: dict[str, Tensor], tokens: Tensor) -> dict[str, Tensor]:
    encoded = model.encode(**inputs)
    states, logits = encoded.last_hidden_state, encoded.ctc_logits
    decoded = model(encoder_outputs=encoded, decoder_input_ids=tokens, use_cache=False)
    found = {"encoder_states": states, "decoder_logits": decoded.logits}
    if encoded.attention_mask is None:
        return found
    # Padding holds anything.
    found["encoder_states"] = states * encoded.attention_mask[..., None]
    if logits is not None:
        frames = logits.shape[1] // states.shape[1]
        mask = encoded.attention_mask.repeat_interleave(frames, 1)
        found["ctc_logits"] = logits * mask[..., None]
    return found


def _largest(ours: Tensor, theirs: Tensor) -> float:
    """Between tensors (lines, length, ...), which may be padded to different lengths."""
    length = min(ours.shape[1], theirs.shape[1])
    return float((ours[:, :length] - theirs[:, :length]).abs().max())
