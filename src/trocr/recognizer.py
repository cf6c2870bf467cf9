"""Pictures of text lines in, texts with a confidence out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image

from .ahead import computed_ahead
from .align import ReadLine, WordAligner
from .batch import BatchFeature
from .bundled import DEFAULT_MODEL, bundled_folder, bundled_models
from .confidence import Calibration, evidence, stored_calibration
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
from .hub import resolve_folder
from .hybrid import EncodedLines, HybridDecoder, Hypothesis
from .image import load_image
from .ink import is_blank
from .line_result import BLANK, Candidate, LineResult, TokenScore
from .model import VisionEncoderDecoderModel
from .outputs import EncoderOutput
from .processor import TrOCRProcessor
from .special_tokens import check_special_tokens

Key = TypeVar("Key")
NextLines = Callable[[bool], Sequence[tuple[Key, Any]] | None]


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
        self._aligner = WordAligner(model, processor, self._token_strings)

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def has_ctc_head(self) -> bool:
        return hasattr(self.model.encoder, "ctc_head")

    def describe_decoding(self, num_beams: int = 1) -> str:
        """How ``read_lines`` would decode, in words."""
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
        num_beams: int = 1,
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
            num_beams: width of the beam search; 1 is greedy.
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
        if batch_size < 1 or n_best < 1:
            raise UsageError(
                f"batch_size={batch_size}, n_best={n_best}.", "Both have to be at least 1."
            )
        settings = self.model.generation_settings(
            num_beams=max(num_beams, n_best),
            num_return_sequences=n_best,
            use_cache=True,  # published folders switch it off, for training's sake
        )
        decoder = HybridDecoder(
            self.model,
            settings,
            self._constraint(allow, regex, lexicon),
            RepetitionGuard(self._token_strings),
            self.drafts,
        )
        results = [BLANK] * len(images)
        pictures = {i: load_image(image) for i, image in enumerate(images)}
        inked = [i for i, picture in pictures.items() if not is_blank(picture)]
        inked.sort(key=lambda i: pictures[i].width / pictures[i].height)
        chunks = (inked[i : i + batch_size] for i in range(0, len(inked), batch_size))
        drafter = self.drafter if decoder.wants_drafts else None
        prepared = computed_ahead(lambda rows: (rows, self._inputs(pictures, rows)), chunks)
        batches = (self._lines(rows, inputs, pictures, drafter) for rows, inputs in prepared)
        for lines, found in decoder.decode(batches, search_size=batch_size):
            read = [self._result(hypotheses[:n_best]) for hypotheses in found]
            if words:
                drawn = [pictures[i] for i in lines.numbers]
                read = self._with_words(read, drawn, lines.encoded, found)
            for number, result in zip(lines.numbers, read, strict=True):
                results[number] = result
        return results

    def read_continuously(
        self,
        next_lines: NextLines[Key],
        *,
        batch_size: int = 32,
        num_beams: int = 1,
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
            forget: whether nobody waits for a line any more; asked while it is being read. A line
                that is forgotten is not yielded.
            batch_size, num_beams, n_best, allow, regex, lexicon, words: as for ``read_lines``,
                whose results are these.

        Yields:
            each picture's key and result, as soon as it is read.

        Raises:
            ImageError, UsageError: as ``read_lines``.
        """
        while (newcomers := next_lines(True)) is not None:
            results = self.read_lines(
                [picture for _, picture in newcomers],
                batch_size=batch_size,
                num_beams=num_beams,
                n_best=n_best,
                allow=allow,
                regex=regex,
                lexicon=lexicon,
                words=words,
            )
            for (key, _), result in zip(newcomers, results, strict=True):
                if forget is None or not forget(key):
                    yield key, result

    def _inputs(self, pictures: Mapping[int, Image.Image], rows: list[int]) -> BatchFeature:
        return self.processor.image_processor([pictures[i] for i in rows], return_tensors="pt")

    def _lines(
        self,
        rows: list[int],
        inputs: BatchFeature,
        pictures: Mapping[int, Image.Image],
        drafter: Drafter | None,
    ) -> EncodedLines:
        encoded = self._encode(inputs)
        drafts = None if drafter is None else drafter([pictures[i] for i in rows], encoded)
        return EncodedLines(rows, encoded, drafts)

    def _encode(self, inputs: BatchFeature) -> EncoderOutput:
        return self.model.encode(**inputs.to(self.device, self.dtype))

    def _with_words(
        self,
        results: list[LineResult],
        pictures: list[Image.Image],
        encoded: EncoderOutput,
        found: list[list[Hypothesis]],
    ) -> list[LineResult]:
        lines = [
            ReadLine(
                picture, best, result.text, None if self.calibration is None else result.confidence
            )
            for picture, (best, *_), result in zip(pictures, found, results, strict=True)
        ]
        words = self._aligner.words(encoded, lines)
        return [replace(result, words=row) for result, row in zip(results, words, strict=True)]

    def _result(self, hypotheses: list[Hypothesis]) -> LineResult:
        best = hypotheses[0]
        text = self._text(best)
        found = [evidence(hypothesis) for hypothesis in hypotheses]
        confidences = self._confidences(hypotheses, found)
        candidates = tuple(map(Candidate, map(self._text, hypotheses), confidences))
        if not text:
            return LineResult("", confidences[0], "blank", n_best=candidates, evidence=found[0])
        tokens = tuple(
            TokenScore(self._token_strings[token] or "", math.exp(min(0.0, logprob)))
            for token, logprob in zip(best.token_ids, best.token_logprobs, strict=False)
        )
        return LineResult(
            text=text,
            confidence=confidences[0],
            finish_reason=best.finish_reason,
            tokens=tokens,
            n_best=candidates,
            token_ids=tuple(best.token_ids),
            evidence=found[0],
        )

    def _confidences(
        self, hypotheses: list[Hypothesis], found: list[dict[str, float]]
    ) -> list[float]:
        """Of the readings of one line, best first."""
        if self.calibration is None:
            return [math.exp(min(0.0, hypothesis.mean_logprob)) for hypothesis in hypotheses]
        return self.calibration.probabilities(found)

    def _text(self, hypothesis: Hypothesis) -> str:
        text: str = self.processor.tokenizer.decode(hypothesis.token_ids, skip_special_tokens=True)
        return text.strip()

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
