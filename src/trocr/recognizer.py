"""Pictures of text lines in, texts with a confidence out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image

from .bundled import DEFAULT_MODEL, bundled_folder, bundled_models
from .confidence import Calibration, stored_calibration
from .decoding import (
    Constraint,
    RepetitionGuard,
    allow_characters,
    match_lexicon,
    match_regex,
)
from .devices import multiplies_bfloat16
from .draft_head import stored_draft_head
from .drafts import CTCDrafter, DraftCounts, Drafter, TextDrafter
from .engine.prepare import prepare
from .engine.stored import stored_int8
from .errors import CheckpointError, UsageError
from .exported import exported_format, load_exported
from .flow import Flow
from .hub import resolve_folder
from .hybrid import HybridDecoder
from .image import load_image
from .line_result import LineResult
from .model import VisionEncoderDecoderModel
from .processor import TrOCRProcessor
from .reading import LineReading
from .reporter import Reporter
from .special_tokens import check_special_tokens

Key = TypeVar("Key")
NextLines = Callable[[bool], Sequence[tuple[Key, Any]] | None]
# Lines in one pass of an encoder on the CPU, where more gain nothing, and are more unlike: of 32
# receipt lines in groups of 8, a core reads 206 a second, of all at once 160.
CPU_GROUP = 8


def load(
    name_or_path: str | Path = DEFAULT_MODEL,
    device: str = "auto",
    dtype: str = "auto",
    draft: str | Path | None = None,
) -> Recognizer:
    """A recognizer from a bundled name, a checkpoint folder, or a hub id.

    The folder may also be one that ``trocr export`` wrote, which runs on the CPU in float32.

    Args:
        device: ``"auto"`` (CUDA where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …
        dtype: ``"auto"`` (bfloat16 where the hardware multiplies it: CUDA, AMX; else float32),
            ``"float32"``, ``"bfloat16"`` or ``"float16"``.
        draft: a small model, named like the other, that guesses what a large one without a CTC
            head will write: the same texts, sooner. Default: the draft head in the folder, if
            there is one (`trocr optimize draft`).

    Raises:
        CheckpointError: no such model, or one that cannot be loaded.
        UsageError: an unknown device or dtype; a draft for a model that has a CTC head.
    """
    folder = bundled_folder(str(name_or_path)) or _folder_of(name_or_path)
    if exported_format(folder):
        model: VisionEncoderDecoderModel = load_exported(folder, device, dtype)
    else:
        place = _device(device)
        model = VisionEncoderDecoderModel.from_pretrained(folder, dtype=_dtype(dtype, place))
        model = model.to(place).eval()
        eight_bit = dtype == "auto" and place.type == "cpu"
        prepare(model, stored_int8(folder) if eight_bit else ())
    processor = TrOCRProcessor.from_pretrained(folder)
    drafter = _drafter(model, processor, folder, draft, dtype)
    return Recognizer(model, processor, str(name_or_path), stored_calibration(folder), drafter)


class Recognizer:
    """Reads lines with one model. Use ``trocr.load`` to make one.

    Args:
        model: in evaluation mode, on its device.
        processor: the one it was trained with.
        name: for reports.
        calibration: turns evidence into confidence.
        drafter: guesses what the decoder writes; default the CTC head, where there is one.

    Raises:
        CheckpointError: model and tokenizer, or model and calibration, do not belong together.

    Attributes:
        drafts: how many were made, and accepted, since the recognizer was made.
    """

    def __init__(
        self,
        model: VisionEncoderDecoderModel,
        processor: TrOCRProcessor,
        name: str = "",
        calibration: Calibration | None = None,
        drafter: Drafter | None = None,
    ) -> None:
        self.model = model
        self.processor = processor
        self.name = name
        self.calibration = calibration
        check_special_tokens(model, processor.tokenizer)
        if calibration and "ctc" in calibration.weights and not self.has_ctc_head:
            raise CheckpointError(
                f"The calibration of {name} is of another model: this one has no CTC head.",
                "Fit it anew: `trocr calibrate`.",
            )
        self._token_strings = processor.tokenizer.token_strings()
        self._eos = model.config.decoder.eos_token_id
        if drafter is None and self.has_ctc_head:
            drafter = CTCDrafter(model.config.encoder.ctc_blank_token_id)
        self.drafter = drafter
        self.drafts = DraftCounts()

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def num_beams(self) -> int:
        """Width of the search that the model asks for in its generation_config.json."""
        return self.model.generation_settings().num_beams

    @property
    def has_ctc_head(self) -> bool:
        return hasattr(self.model.encoder, "ctc_head")

    def describe_decoding(self, num_beams: int | None = None) -> str:
        """How ``read_lines`` would decode, in words."""
        num_beams = num_beams or self.num_beams
        search = "greedy" if num_beams == 1 else f"beam search, {num_beams} beams"
        if self.has_ctc_head:
            return f"{search}, CTC draft, joint score"
        return f"{search}, drafts" if self.drafter and num_beams == 1 else search

    @torch.inference_mode()
    def read_lines(
        self,
        images: Sequence[Any],
        *,
        batch_size: int = 32,
        num_beams: int | None = None,
        n_best: int = 1,
        allow: str | None = None,
        regex: str | None = None,
        lexicon: Sequence[str] | None = None,
        words: bool = False,
    ) -> list[LineResult]:
        """Read crops of one text line each.

        Args:
            images: any types that ``load_image`` takes.
            batch_size: lines in one pass; in float32, results do not depend on it.
            num_beams: width of the beam search; 1 is greedy. Default: as the model asks for.
            n_best: readings to return for each line; more than one searches with that many beams.
            allow: characters that may occur, as inside ``[...]``: ``"0-9./"``.
            regex: pattern that the whole text must match.
            lexicon: texts of which one is chosen.
            words: find the boxes and confidences of words and characters as well.

        Returns:
            one result a picture, in order.

        Raises:
            ImageError: a picture that cannot be read.
            UsageError: more than one of ``allow``, ``regex`` and ``lexicon``; impossible values.
        """
        pictures = {i: load_image(image) for i, image in enumerate(images)}
        constraint = self._constraint(allow, regex, lexicon)
        reading = self._reading(batch_size, num_beams, n_best, constraint, words)
        order = sorted(pictures, key=lambda i: _shape(pictures[i]))
        starts = range(0, len(order), batch_size)
        batches = ({i: pictures[i] for i in order[at : at + batch_size]} for at in starts)
        results = dict(reading.read(batches, pictures))
        return [results[i] for i in pictures]

    @torch.inference_mode()
    def read_continuously(
        self,
        next_lines: NextLines[Key],
        *,
        batch_size: int = 32,
        num_beams: int | None = None,
        n_best: int = 1,
        allow: str | None = None,
        regex: str | None = None,
        lexicon: Sequence[str] | None = None,
        words: bool = False,
        forget: Callable[[Key], bool] | None = None,
    ) -> Iterator[tuple[Key, LineResult]]:
        """Read crops of one text line each, while others come in.

        Args:
            next_lines: called with True, waits for pictures; with False, gives those that are
                there, maybe none. Each with what its caller knows it by; at most ``batch_size``;
                None: there will be no more. A picture that cannot be read ends everything, so
                open them with ``load_image`` first.
            forget: whether nobody waits for a line any more; asked again and again while it is
                being read. A line that is forgotten is not yielded.
            batch_size, num_beams, n_best, allow, regex, lexicon, words: as for ``read_lines``,
                whose results are these.

        Lines that a greedy search has to write join those that are half written, and leave as
        soon as they end. Beam search, sampling and exported models read batch after batch.

        Yields:
            each picture's key and result, as soon as it is read, in any order.

        Raises:
            ImageError, UsageError: as ``read_lines``.
        """
        keys: dict[int, Key] = {}  # of lines that are on their way
        pictures: dict[int, Image.Image] = {}
        constraint = self._constraint(allow, regex, lexicon)
        wanted = keys.__contains__
        reading = self._reading(batch_size, num_beams, n_best, constraint, words, wanted)

        def newcomers() -> Iterator[Mapping[int, Image.Image]]:
            numbers, more_come = count(), True
            while more_come or keys:
                for number in [n for n, key in keys.items() if forget is not None and forget(key)]:
                    del keys[number], pictures[number]
                came: Sequence[tuple[Key, Any]] | None = ()
                if more_come and reading.flow.has_room:
                    came = next_lines(not keys)
                    more_come = came is not None
                batch: dict[int, Image.Image] = {}
                for (key, picture), number in zip(came or (), numbers, strict=False):
                    batch[number], keys[number] = load_image(picture), key
                pictures.update(batch)
                yield from self._alike(batch)

        for number, result in reading.read(newcomers(), pictures):
            del pictures[number]
            yield keys.pop(number), result

    def _alike(self, batch: Mapping[int, Image.Image]) -> list[Mapping[int, Image.Image]]:
        """On the CPU, groups of like shape: all together would be padded to the widest."""
        if self.model.device.type != "cpu" or not batch:
            return [batch]
        order = sorted(batch, key=lambda number: _shape(batch[number]))
        size = math.ceil(len(order) / math.ceil(len(order) / CPU_GROUP))
        return [{n: batch[n] for n in order[at : at + size]} for at in range(0, len(order), size)]

    def _reading(
        self,
        batch_size: int,
        num_beams: int | None,
        n_best: int,
        constraint: Constraint | None,
        words: bool,
        is_wanted: Callable[[int], bool] | None = None,
    ) -> LineReading:
        if batch_size < 1 or n_best < 1 or (num_beams is not None and num_beams < 1):
            raise UsageError(
                f"batch_size={batch_size}, n_best={n_best}, num_beams={num_beams}.",
                "All have to be at least 1.",
            )
        beams = max(num_beams or self.num_beams, n_best)
        settings = self.model.generation_settings(
            num_beams=beams,
            num_return_sequences=beams if self.has_ctc_head else n_best,  # the head chooses
            use_cache=True,  # published folders switch it off, for training's sake
        )
        guard = RepetitionGuard(self._token_strings)
        decoder = HybridDecoder(self.model, settings, constraint, guard, self.drafts, n_best)
        flow = Flow(decoder, batch_size, is_wanted)
        reporter = Reporter(self.model, self.processor, self._token_strings, self.calibration)
        return LineReading(self.model, self.processor, self.drafter, reporter, flow, words)

    def _constraint(
        self, allow: str | None, regex: str | None, lexicon: Sequence[str] | None
    ) -> Constraint | None:
        given = [rule for rule in (allow, regex, lexicon) if rule is not None]
        if len(given) > 1:
            raise UsageError(
                "More than one of allow, regex and lexicon was given.",
                "Use one; a regex can say what the others say.",
            )
        if allow is not None:
            return allow_characters(allow, self._token_strings, self._eos)
        if regex is not None:
            return match_regex(regex, self._token_strings, self._eos)
        if lexicon is not None:
            return match_lexicon(lexicon, self._token_strings, self._eos)
        return None


def _folder_of(name_or_path: str | Path) -> Path:
    try:
        return resolve_folder(name_or_path)
    except CheckpointError as error:
        bundled = ", ".join(model.name for model in bundled_models()) or "none"
        raise CheckpointError(error.message, f"{error.hint} Bundled models: {bundled}.") from None


def _drafter(
    model: VisionEncoderDecoderModel,
    processor: TrOCRProcessor,
    folder: Path,
    draft: str | Path | None,
    dtype: str,
) -> Drafter | None:
    """What guesses for a model that has no CTC head."""
    if hasattr(model.encoder, "ctc_head"):
        if draft is None:
            return None
        raise UsageError("The model drafts with its own CTC head.", f"Leave out draft={draft!r}.")
    if draft is not None:
        small = load(draft, str(model.device), dtype)
        return TextDrafter(lambda pictures, _: _texts(small, pictures), model, processor.tokenizer)
    head = stored_draft_head(folder)
    if head is None:
        return None
    head = head.to(model.device, model.dtype)
    return TextDrafter(
        lambda _, encoded: head.texts(encoded.last_hidden_state), model, processor.tokenizer
    )


def _texts(reader: Recognizer, pictures: Sequence[Image.Image]) -> list[str]:
    return [line.text for line in reader.read_lines(pictures, batch_size=len(pictures))]


def _shape(picture: Image.Image) -> float:
    """Lines of like shape cost least together."""
    return picture.width / picture.height


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"Device {name!r} cannot be used: {reason}", "Try cpu.") from None
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if multiplies_bfloat16(device) else torch.float32
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in dtypes:
        raise UsageError(f"Unknown dtype {name!r}.", f"Known: auto, {', '.join(dtypes)}.")
    return dtypes[name]
