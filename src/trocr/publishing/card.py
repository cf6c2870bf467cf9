"""The model card: YAML front matter as hubs read it, and a text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined

from .. import __version__
from ..bundled import CARD
from ..confidence import CALIBRATION
from ..errors import CheckpointError, UsageError
from ..model import VisionEncoderDecoderModel
from ..processor import TrOCRProcessor
from .scores import Scores

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard, ModelCardData

TASK = "image-to-text"
_METRICS = ("cer", "wer")


@dataclass(frozen=True)
class About:
    """What a folder does not say about its model.

    Attributes:
        name: ``user/name``, or a name alone where it goes to no hub.
        license: as the hub writes it: ``mit``, ``apache-2.0``, ``cc-by-4.0``; empty: that of the
            folder's own card.
        languages, tags, datasets: for the front matter.
        summary: the first sentence of a new card.
        scores: of the model.
    """

    name: str
    license: str = ""
    languages: Sequence[str] = ()
    tags: Sequence[str] = ()
    datasets: Sequence[str] = ()
    summary: str = ""
    scores: Sequence[Scores] = ()


def card_of(
    folder: Path, about: About, model: VisionEncoderDecoderModel, processor: TrOCRProcessor
) -> str:
    """The card of a model: the text of the folder's own one, if there is one, else a new text.

    What `about` says replaces what the folder's front matter says; tags and datasets are added.

    Raises:
        UsageError: neither of them names a licence.
        CheckpointError: the folder's card cannot be read.
    """
    card, data = _own_card(folder)
    _fill(data, about, model)
    if not data.license:
        raise UsageError(f"{folder} names no licence.", "Say under which: --license mit")
    if not card.text.strip():
        calibrated = (folder / CALIBRATION).is_file()
        card.text = "\n" + _text(about, data.license, model, processor, calibrated)
    return str(card.content).rstrip("\n") + "\n"


def _own_card(folder: Path) -> tuple[ModelCard, ModelCardData]:
    """The folder's card, empty where there is none; and its front matter."""
    from huggingface_hub import ModelCard, ModelCardData

    path = folder / CARD
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        card = ModelCard(text if text.startswith("---") else f"---\n{{}}\n---\n{text}")
    except Exception as error:  # of the file, its encoding, or whatever its YAML leads to
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} cannot be read: {problem}.", "Mend it.") from None
    assert isinstance(card.data, ModelCardData)
    return card, card.data


def _fill(data: ModelCardData, about: About, model: VisionEncoderDecoderModel) -> None:
    """The front matter."""
    published = not model.config.has_line_encoder
    data.license = about.license or data.license
    data.language = list(about.languages) or data.language
    data.library_name = data.library_name or ("transformers" if published else "trocr")
    data.pipeline_tag = data.pipeline_tag or TASK
    data.tags = _joined(data.tags, ["trocr", "ocr", *about.tags])
    data.datasets = _joined(data.datasets, about.datasets) or None
    if about.scores:
        data.metrics = _joined(data.metrics, _METRICS)
        data.model_name = about.name.rpartition("/")[2]
        data.eval_results = [result for scores in about.scores for result in _results(scores)]


def _joined(known: str | Sequence[str] | None, more: Sequence[str]) -> list[str]:
    """A front matter may have one string instead of a list."""
    return list(dict.fromkeys([*([known] if isinstance(known, str) else known or []), *more]))


def _results(scores: Scores) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    for metric in _METRICS:
        yield EvalResult(
            task_type=TASK,
            dataset_type=scores.data,
            dataset_name=scores.data,
            dataset_args={"lines": scores.n},
            metric_type=metric,
            metric_name=f"{metric.upper()} %",
            metric_value=round(scores.values[metric], 2),
            metric_args={"protocol": scores.protocol, "normalization": scores.normalization},
        )


def _text(
    about: About,
    license: str,
    model: VisionEncoderDecoderModel,
    processor: TrOCRProcessor,
    is_calibrated: bool,
) -> str:
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = files(__package__).joinpath("card.md.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        about=about,
        license=license,
        title=about.name.rpartition("/")[2],
        version=__version__,
        encoder=model.config.encoder,
        decoder=model.config.decoder,
        is_published=not model.config.has_line_encoder,
        millions=model.num_parameters() / 1e6,
        letters=_letters(processor),
        is_calibrated=is_calibrated,
    )


def _letters(processor: TrOCRProcessor) -> str:
    """All that a model of single characters can write; empty for one of pieces of words."""
    special = set(processor.tokenizer.all_special_tokens)
    tokens = [token for token in processor.tokenizer.get_vocab() if token not in special]
    return "".join(sorted(tokens)) if all(len(token) == 1 for token in tokens) else ""
