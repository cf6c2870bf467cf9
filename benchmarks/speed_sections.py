"""The comparisons of ``speed.py``, each a function that yields rows."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from engines import peers, trocr_engine
from interleaved import Contender, Row, Timing, interleaved, share_same, times_faster
from PIL import Image
from report import ROOT, cpu_seconds
from sets import set_lines
from speed_models import (
    Generator,
    exported,
    fixed,
    generators,
    name_of,
    ours,
    runtimes,
    shape_folder,
    theirs,
)

import trocr
from trocr.bench.lines import drawn_line, text_of
from trocr.bench.machine import threads
from trocr.devices import multiplies_bfloat16
from trocr.labelled_lines import LabelledLine
from trocr.metrics import character_error_rate
from trocr.recognizer import Recognizer
from trocr.tokenizer import Tokenizer

FLOAT32, BFLOAT16 = torch.float32, torch.bfloat16
SINGLE, BATCHED, BEST, BEAMS = (3, 6), (4.5, 8), (1.6, 3), (3, 6)  # floor and goal
OUR_SETS = {"printed": "receipts", "handwritten": "peraire", "fast": "receipts"}
TOKENIZER = ROOT.parent / "shared" / "tokenizers" / "trocr-small"
PICTURE = ROOT / "examples" / "receipt-line.png"
SHORT, LONG = 9, 90  # characters


@dataclass(frozen=True)
class Options:
    """Of all sections.

    Attributes:
        rounds: that count.
        threads: for everyone, but where one core is compared.
        limit: real lines.
        sets: folder of the labelled sets.
        shapes: folder of the models with random weights.
        batch_sizes: of the published shapes.
    """

    rounds: int
    threads: int
    limit: int
    sets: Path
    shapes: Path
    batch_sizes: tuple[int, ...] = (1, 8, 32)

    def lines(self, name: str) -> list[LabelledLine]:
        """A fixed sample of a set."""
        lines = set_lines(name, self.sets)
        return random.Random(0).sample(lines, min(self.limit, len(lines)))


def default_dtype(device: str = "cpu") -> torch.dtype:
    """Of ``trocr.load``."""
    return BFLOAT16 if multiplies_bfloat16(torch.device(device)) else FLOAT32


def published(shape: str, beams: int, options: Options) -> Iterator[Row]:
    """A published shape; ids in float32 have to be the reference's."""
    folder = shape_folder(shape, options.shapes)
    both = generators(folder, (FLOAT32, BFLOAT16), "cpu", beams)
    for size in options.batch_sizes:
        if beams > 1 and size > 8:
            continue
        contenders = _at_work(both, size)
        search = "greedy" if beams == 1 else f"beam {beams}"
        yield from published_rows(
            f"trocr-{shape} shape, batch {size}, {search}",
            interleaved(contenders, options.rounds),
            BEAMS if beams > 1 else SINGLE if size == 1 else BATCHED,
            best=None if beams > 1 else BEST,
        )


def published_rows(
    work: str,
    timings: dict[str, Timing],
    targets: tuple[float, float],
    best: tuple[float, float] | None,
) -> Iterator[Row]:
    """Ours against the defaults of transformers and its best setting here, and both in float32.

    ``same`` is always about the ids that transformers writes in float32.
    """
    default, exact = "transformers float32", "trocr float32"
    our = f"trocr {name_of(default_dtype())}"
    rivals = [label for label in timings if label.startswith("transformers")]
    fastest = min(rivals, key=lambda label: timings[label].median)
    pairs = [(our, default, targets), (our, fastest, best)] if best else [(our, default, targets)]
    if our != exact:
        pairs.append((exact, default, None))
    reference = timings[default].result
    for own, against, wanted in pairs:
        ids = timings[own].result
        yield times_faster(
            work,
            timings,
            own,
            against,
            wanted,
            same=share_same(ids.tolist(), reference.tolist()),
            must_be_same=own == exact,
            details={"same_tokens": 100 * (ids == reference).float().mean().item()},
        )


def _at_work(models: Sequence[Generator], lines: int) -> list[Contender]:
    pixels = torch.randn(lines, 3, 384, 384, generator=torch.Generator().manual_seed(lines))
    return [Contender(each.label, partial(each.ids, pixels)) for each in models]


def exports(options: Options) -> Iterator[Row]:
    """The small published shape against what ``trocr export`` makes of it."""
    folder = shape_folder("small", options.shapes)
    models = [ours(folder, default_dtype(), "cpu", **fixed(beams=1))]
    models += [exported(folder, kind, **fixed(beams=1)) for kind in runtimes()]
    for size in options.batch_sizes:
        timings = interleaved(_at_work(models, size), options.rounds)
        ids = {label: timing.result.tolist() for label, timing in timings.items()}
        own, *others = ids
        for other in others:
            work = f"trocr-small shape, batch {size}, greedy"
            yield times_faster(work, timings, own, other, same=share_same(ids[own], ids[other]))


def printed(options: Options) -> Iterator[Row]:
    """``printed`` against trocr-small through transformers: real lines, pictures to ids."""
    lines = options.lines("receipts")
    pictures = [line.image for line in lines]
    tokens = mean_tokens([line.text for line in lines])
    folder = shape_folder("small", options.shapes)
    reader = trocr.load("printed", "cpu")
    contenders = [Contender("trocr `printed`", lambda: reader.read_lines(pictures))]
    for dtype in (FLOAT32, BFLOAT16):
        model = theirs(folder, dtype, "cpu", **fixed(1, tokens))
        contenders.append(Contender(model.label, partial(_read_all, model.ids, pictures)))
    timings = interleaved(contenders, options.rounds)
    work = f"receipts, batch 32, {tokens} tokens a line for trocr-small"
    for label, targets in (("transformers float32", (30, 100)), ("transformers bfloat16", None)):
        details = {"lines_per_second": len(lines) / timings["trocr `printed`"].median}
        yield times_faster(work, timings, "trocr `printed`", label, targets, details=details)


def mean_tokens(texts: Sequence[str]) -> int:
    """What trocr-small would write for a text on average: its pieces and the end.

    Raises:
        CheckpointError: its tokenizer is not there.
    """
    tokenizer = Tokenizer.from_pretrained(TOKENIZER)
    counts = [len(tokenizer.encode(text, add_special_tokens=False)) + 1 for text in texts]
    return round(sum(counts) / len(counts))


def _read_all(ids: Callable[[torch.Tensor], torch.Tensor], pictures: Sequence[bytes]) -> None:
    """As a user of transformers would: the processor that trocr-small is published with."""
    from transformers import ViTImageProcessorPil

    half = [0.5] * 3
    size = {"height": 384, "width": 384}
    processor = ViTImageProcessorPil(size=size, resample=3, image_mean=half, image_std=half)
    for start in range(0, len(pictures), 32):
        batch = [Image.open(io.BytesIO(one)).convert("RGB") for one in pictures[start : start + 32]]
        ids(processor(batch, return_tensors="pt").pixel_values)


def recognisers(options: Options) -> Iterator[Row]:
    """Our models against RapidOCR's recogniser and Tesseract: same crops, one core, CPU time."""
    pictures = [line.image for line in options.lines("receipts")]
    with threads(1):
        engines = [trocr_engine(f"trocr `{name}`", name, name) for name in ("printed", "fast")]
        engines += peers()
        contenders = [
            Contender(each.label, partial(each.read, pictures, "eng")) for each in engines
        ]
        timings = interleaved(contenders, options.rounds, cpu_seconds)
    for ours_ in engines[:2]:
        for peer in engines[2:]:
            targets = (3, 10) if "RapidOCR" in peer.label and ours_.model == "printed" else None
            yield times_faster("receipts, one core", timings, ours_.label, peer.label, targets)


def drafts(options: Options) -> Iterator[Row]:
    """Draft and verify against greedy decoding by the same model, a line at a time."""
    for name, lines in _our_lines(options):
        reader, greedy = trocr.load(name, "cpu"), trocr.load(name, "cpu")
        greedy.drafter = None
        contenders = [
            Contender("drafted", partial(_texts, reader, lines, 1)),
            Contender("greedy", partial(_texts, greedy, lines, 1)),
        ]
        timings = interleaved(contenders, options.rounds)
        yield times_faster(
            f"`{name}` on {OUR_SETS[name]}, batch 1",
            timings,
            "drafted",
            "greedy",
            (2.5, 5),
            **_compared(timings, lines),
        )


def dtypes(options: Options) -> Iterator[Row]:
    """Our models in the dtype that they get by default against float32: texts and time."""
    if default_dtype() is FLOAT32:
        return
    for name, lines in _our_lines(options):
        readers = {dtype: trocr.load(name, "cpu", dtype) for dtype in ("bfloat16", "float32")}
        contenders = [
            Contender(dtype, partial(_texts, reader, lines, 32))
            for dtype, reader in readers.items()
        ]
        timings = interleaved(contenders, options.rounds)
        work = f"`{name}` on {OUR_SETS[name]}, batch 32"
        yield times_faster(work, timings, *readers, **_compared(timings, lines))


def _compared(timings: dict[str, Timing], lines: Sequence[LabelledLine]) -> dict[str, Any]:
    """How alike the texts of two contenders are, and the CER of each."""
    truth = [line.text for line in lines]
    rates = {f"cer_{k}": character_error_rate(t.result, truth) for k, t in timings.items()}
    same = share_same(*(timing.result for timing in timings.values()))
    return {"same": same, "details": rates}


def _our_lines(options: Options) -> Iterator[tuple[str, list[LabelledLine]]]:
    for name, of_set in OUR_SETS.items():
        yield name, options.lines(of_set)


def _texts(reader: Recognizer, lines: Sequence[LabelledLine], batch_size: int) -> list[str]:
    pictures = [line.image for line in lines]
    if batch_size > 1:
        return [result.text for result in reader.read_lines(pictures, batch_size=batch_size)]
    return [reader.read_lines([picture], batch_size=1)[0].text for picture in pictures]


def length(options: Options) -> Iterator[Row]:
    """A drawn line of 90 characters over one of 9."""
    reader = trocr.load("printed", "cpu")
    contenders = []
    for characters in (LONG, SHORT):
        pictures = [drawn_line(text_of(characters, first)) for first in range(16)]
        read = partial(reader.read_lines, pictures, batch_size=16)
        contenders.append(Contender(f"{characters} characters", read))
    timings = interleaved(contenders, 3 * options.rounds)
    row = times_faster(
        "`printed`, batch 16, time over time", timings, *reversed([c.label for c in contenders])
    )
    yield replace(row, floor=10, goal=LONG / SHORT, at_most=True)


def cold(options: Options) -> Iterator[Row]:
    """``trocr read line.png``: process start to text."""
    seconds = [seconds_to_text() for _ in range(max(5, options.rounds))]
    yield Row(
        "`trocr read line.png`, process start to text",
        "trocr",
        "",
        median(seconds),
        floor=3,
        goal=1,
        unit="s",
        at_most=True,
        details={"longest": max(seconds)},
    )


def seconds_to_text() -> float:
    """Until a new process has written its first line."""
    command = [sys.executable, "-m", "trocr", "read", str(PICTURE)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        text = process.stdout.readline()
        seconds = time.perf_counter() - began
    if not text.strip() or process.returncode:
        raise RuntimeError(f"{' '.join(command)} read nothing")
    return seconds


def gpu(options: Options) -> Iterator[Row]:
    """The base shape, batch 64, bfloat16 on both sides; nothing without CUDA."""
    if not torch.cuda.is_available():
        return
    folder = shape_folder("base", options.shapes)
    both = generators(folder, (BFLOAT16,), "cuda", beams=1)
    timings = interleaved(_at_work(both, 64), options.rounds)
    our, their = (timings[each.label].result.tolist() for each in both)
    labels = [each.label for each in both]
    work = f"trocr-base shape, batch 64, greedy, {torch.cuda.get_device_name()}"
    yield times_faster(work, timings, *labels, (3, 6), same=share_same(our, their))


SECTIONS: dict[str, Callable[[Options], Iterator[Row]]] = {
    "small": partial(published, "small", 1),
    "base": partial(published, "base", 1),
    "small-beams": partial(published, "small", 4),
    "base-beams": partial(published, "base", 4),
    "exports": exports,
    "printed": printed,
    "recognisers": recognisers,
    "drafts": drafts,
    "dtypes": dtypes,
    "length": length,
    "cold": cold,
    "gpu": gpu,
}
