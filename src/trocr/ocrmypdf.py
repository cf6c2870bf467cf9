"""Plug-in for OCRmyPDF: ``ocrmypdf --plugin trocr.ocrmypdf in.pdf out.pdf``.

OCRmyPDF draws the pages, turns and cleans them, and makes PDF/A; the text and its places are ours.
"""

from __future__ import annotations

import multiprocessing
import shutil
import threading
from argparse import ArgumentParser
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .bundled import DEFAULT_MODEL, bundled_folder
from .errors import CheckpointError, TrOCRError, UsageError
from .hub import resolve_folder

try:
    from ocrmypdf import hookimpl
    from ocrmypdf.builtin_plugins.tesseract_ocr import TesseractOptions
    from ocrmypdf.exceptions import BadArgsError, ExitCodeException
    from ocrmypdf.pluginspec import OcrEngine, OrientationConfidence
    from pydantic import BaseModel
except ImportError as error:
    raise UsageError(
        f"This plug-in needs OCRmyPDF 17 or newer: {error}.",
        "Run: pip install 'trocr[ocrmypdf]'",
    ) from error

if TYPE_CHECKING:
    from .document import Document
    from .recognizer import Recognizer

_BUILT_IN = "ocrmypdf.builtin_plugins.tesseract_ocr"
_FONT_KEY = "F1"  # by which OCRmyPDF looks for the font of a text layer
_LOADING = threading.Lock()


class TrOCROptions(BaseModel):
    """``--trocr-model`` and ``--trocr-device``."""

    model: str = DEFAULT_MODEL
    device: str = "auto"


@hookimpl
def initialize(plugin_manager: Any) -> None:
    """OCRmyPDF's own engine insists on its program; without that it is left out."""
    if not _has_tesseract():
        plugin_manager.set_blocked(_BUILT_IN)


@hookimpl
def register_options() -> dict[str, Any]:
    """Tesseract's too if it is left out: OCRmyPDF looks at them whatever the engine is."""
    ours = {"trocr": TrOCROptions}
    return ours if _has_tesseract() else {**ours, "tesseract": TesseractOptions}


@hookimpl
def add_options(parser: ArgumentParser) -> None:
    """Ours, in a group of their own."""
    group = parser.add_argument_group("trocr", "Recognition by trocr")
    group.add_argument(
        "--trocr-model",
        metavar="NAME",
        default=DEFAULT_MODEL,
        help="a bundled model (see `trocr models`), a folder, or a hub id",
    )
    group.add_argument(
        "--trocr-device", metavar="NAME", default="auto", help="auto, cpu, cuda, cuda:1, …"
    )


@hookimpl
def check_options(options: Any) -> None:
    """Look for the model before any page is drawn; the text layer is ours unless refused."""
    try:
        model = options.trocr.model
        bundled_folder(model) or resolve_folder(model)
    except CheckpointError as error:
        raise BadArgsError(str(error)) from error
    if options.pdf_renderer == "auto" and _is_chosen(options):
        options.pdf_renderer = "sandwich"


@hookimpl
def get_ocr_engine(options: Any) -> Any:
    """This one, unless another was asked for."""
    return Engine() if _is_chosen(options) else None


def _has_tesseract() -> bool:
    return shutil.which("tesseract") is not None


def _is_chosen(options: Any) -> bool:
    return options is None or options.ocr_engine == "auto"


class Engine(OcrEngine):
    """Reads a page at a time, with one model for each process."""

    @staticmethod
    def version() -> str:
        """Of this package."""
        return __version__

    @staticmethod
    def creator_tag(options: Any) -> str:
        """For the metadata of the PDF."""
        return f"trocr {__version__}"

    def __str__(self) -> str:
        return f"trocr {__version__}"

    @staticmethod
    def languages(options: Any) -> set[str]:
        """None, so that any may be asked for: they depend on the model alone."""
        return set()

    @staticmethod
    def get_orientation(input_file: Path, options: Any) -> Any:
        """By how much the page was turned clockwise; how well it reads then, in percent."""
        [page] = _document(input_file, options, words=False)
        return OrientationConfidence((360 - page.orientation) % 360, 100 * (page.confidence or 0))

    @staticmethod
    def get_deskew(input_file: Path, options: Any) -> float:
        """Degrees counter-clockwise that level the lines."""
        from .image import load_image
        from .layout import find_lines
        from .layout.orientation import skew_of

        return skew_of(find_lines(load_image(input_file)))

    @staticmethod
    def generate_hocr(input_file: Path, output_hocr: Path, output_text: Path, options: Any) -> None:
        """For ``--pdf-renderer fpdf2``: OCRmyPDF writes the text layer."""
        from .writers import write

        document = _document(input_file, options)
        write(document, output_hocr, "hocr", overwrite=True)
        write(document, output_text, "txt", overwrite=True)

    @staticmethod
    def generate_pdf(input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:
        """The text alone, invisible, on a page as large as the picture."""
        from .writers import write
        from .writers.pdf import render_text_only

        document = _document(input_file, options)
        output_pdf.write_bytes(render_text_only(document, _FONT_KEY))
        write(document, output_text, "txt", overwrite=True)


def _document(picture: Path, options: Any, *, words: bool = True) -> Document:
    from .pipeline import read

    try:
        with _LOADING:
            reader = _reader(options.trocr.model, options.trocr.device)
        return read(picture, model=reader, words=words)
    except TrOCRError as error:
        raise ExitCodeException(str(error)) from error


@cache
def _reader(model: str, device: str) -> Recognizer:
    import torch

    from .recognizer import load

    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)  # one of several workers, as many as there are cores
    return load(model, device)
