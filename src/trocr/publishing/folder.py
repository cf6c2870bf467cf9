"""The files of a model, as a hub takes them, in a new folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from ..bundled import CARD, MODELS
from ..checkpoint import SAFE_FILE
from ..confidence import stored_calibration
from ..draft_head import CONFIG as DRAFT_CONFIG
from ..draft_head import WEIGHTS as DRAFT_WEIGHTS
from ..draft_head import stored_draft_head
from ..engine.stored import INFERENCE, stored_int8
from ..errors import OutputError, TrOCRError, UsageError
from ..exported import exported_format
from ..hub import check_new_folder
from ..model import VisionEncoderDecoderModel
from ..processor import TrOCRProcessor
from .card import About, card_of

LICENSE = "LICENSE"
_LICENSE_FILES = (LICENSE, "LICENSE.txt", "LICENSE.md")
_EXTRAS = (INFERENCE, DRAFT_CONFIG, DRAFT_WEIGHTS)


def publish(folder: Path, out: Path, about: About, license_text: Path | None = None) -> list[Path]:
    """Write a model as a hub takes it; only what loading needs, the card and the licence.

    Weights become safetensors. Those of a published architecture are stored as ``transformers``
    reads them, in the dtype they have, or in float32 if they have several, as 8-bit storage does;
    those of a line model stay as they are stored. Where nothing limits the length of a text, the
    folder of a published architecture says what its decoder can do, for ``transformers`` would
    stop after 20 tokens.

    Args:
        folder: of a model that ``trocr.load`` takes.
        out: a new folder.
        license_text: a file; default: that in the folder, if there is one.

    Returns:
        The files.

    Raises:
        CheckpointError: the model, or a file beside it, is missing or cannot be read.
        UsageError: there is no licence; `out` is not new; the folder is an exported model.
        OutputError: the folder cannot be written.
    """
    check_new_folder(out)
    license_text = license_text or next(_license_files(folder), None)
    if license_text and not license_text.is_file():
        raise UsageError(f"There is no file {license_text}.", "Name the text of the licence.")
    model, processor = _loaded(folder)
    card = card_of(folder, about, model, processor)
    calibration = stored_calibration(folder)
    try:
        _write_model(model, folder, out)
        processor.save_pretrained(out)
        (out / CARD).write_text(card, encoding="utf-8")
        for name in _EXTRAS:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, out / name)
        if calibration:
            named = [{**each, "data": _last(each.get("data"))} for each in calibration.fitted_on]
            replace(calibration, fitted_on=named).save(out)
        if license_text:
            shutil.copyfile(license_text, out / LICENSE)
    except OSError as error:
        if isinstance(error, TrOCRError):
            raise
        raise OutputError(
            f"{out} cannot be written: {error.strerror or error}.", "Name another folder with -o."
        ) from None
    return sorted(out.iterdir())


def _loaded(folder: Path) -> tuple[VisionEncoderDecoderModel, TrOCRProcessor]:
    """The model and its processor, after everything beside them was read as well."""
    if exported_format(folder):
        raise UsageError(
            f"{folder} is an exported model.", "Publish the one that it was exported from."
        )
    model = VisionEncoderDecoderModel.from_pretrained(folder, dtype="auto")
    processor = TrOCRProcessor.from_pretrained(folder)
    stored_int8(folder)
    stored_draft_head(folder)
    return model, processor


def _write_model(model: VisionEncoderDecoderModel, folder: Path, out: Path) -> None:
    if len({weight.dtype for weight in model.parameters()}) > 1:
        model = model.float()
    published = not model.config.has_line_encoder
    settings = model.generation_settings()
    if published and settings.max_length is None and settings.max_new_tokens is None:
        longest = model.config.decoder.max_position_embeddings
        model.generation_config = model.generation_config.merged(max_length=longest)
    model.save_pretrained(out)
    if not published and (folder / SAFE_FILE).is_file():
        shutil.copyfile(folder / SAFE_FILE, out / SAFE_FILE)


def _license_files(folder: Path) -> Iterator[Path]:
    """Texts of licences in the folder; those of the package for a model that comes with it."""
    yield from (folder / name for name in _LICENSE_FILES if (folder / name).is_file())
    if MODELS in folder.resolve().parents:
        ours = metadata.files("trocr") or []
        yield from (Path(str(file.locate())) for file in ours if file.name == LICENSE)


def _last(path: object) -> str:
    """Published, a file says nothing about the folders of whoever publishes."""
    return Path(str(path)).name
