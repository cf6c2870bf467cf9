"""Line recognisers with one thread each, behind one signature; what those of pages share."""

from __future__ import annotations

import io
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

import trocr
from trocr.bundled import bundled_models

EVERYWHERE = "fast"  # the model that reads every set, beside the one that is made for it
AnyEngine = TypeVar("AnyEngine")
Line = tuple[str, float | None]  # text; confidence 0-1 where the engine gives one
Read = Callable[[list[bytes], str], list[Line]]  # the language as Tesseract names it


@dataclass(frozen=True)
class Engine:
    """``label`` has name and version; ``read`` takes encoded pictures and their language."""

    label: str
    model: str
    read: Read


def trocr_engine(label: str, name: str, folder: str) -> Engine:
    """One of our models on the CPU; ``folder`` may also be a bundled name."""
    torch.set_num_threads(1)
    reader = trocr.load(folder, device="cpu")

    def read(pictures: list[bytes], language: str) -> list[Line]:
        return [(line.text, line.confidence) for line in reader.read_lines(pictures)]

    return Engine(label, name, read)


def our_engines(
    folders: dict[str, str], make: Callable[[str, str, str], AnyEngine]
) -> dict[str, AnyEngine]:
    """By name: the bundled models, and the given folders in place of them or beside them.

    Args:
        make: an engine from its label, the name of the model, and its folder or bundled name.
    """
    models = {model.name: model.name for model in bundled_models()} | folders
    label = f"trocr {trocr.__version__}"
    return {
        name: make(f"{label} `{name}`" if name == EVERYWHERE else label, name, model)
        for name, model in models.items()
    }


def single_threaded_rapidocr(**settings: Any) -> Any:
    """``RapidOCR()`` with one thread; ``settings`` are those of its ``Global``."""
    import_module("cv2").setNumThreads(1)
    return import_module("rapidocr").RapidOCR(
        params={
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Global.log_level": "error",
            **{f"Global.{name}": value for name, value in settings.items()},
        }
    )


def rapidocr_label() -> str:
    """With its version."""
    return f"RapidOCR {metadata.version('rapidocr')}"


def tesseract_label() -> str:
    """With its version."""
    return f"Tesseract {tesseract_output('--version').split()[1]}"


def present(
    rapidocr: Callable[[], AnyEngine], tesseract: Callable[[], AnyEngine]
) -> list[AnyEngine]:
    """Those that this machine has: ``pip install 'trocr[benchmark]'``, Debian's tesseract-ocr."""
    found = []
    if find_spec("rapidocr"):
        found.append(rapidocr())
    if which("tesseract"):
        found.append(tesseract())
    return found


def rapidocr_engine() -> Engine:
    """RapidOCR's default recogniser, from its wheel, on the crop as it is.

    Its page preprocessing is off: it stretches crops to multiples of 32 pixels, for the detector.
    """
    engine = single_threaded_rapidocr(use_preprocess_img=False)

    def read_one(picture: bytes) -> Line:
        array = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))[..., ::-1]
        output = engine(array, use_det=False, use_cls=False, use_rec=True)
        return (output.txts[0], float(output.scores[0])) if output.txts else ("", None)

    def read(pictures: list[bytes], language: str) -> list[Line]:
        return [read_one(picture) for picture in pictures]

    return Engine(rapidocr_label(), "PP-OCRv6_rec_small", read)


def tesseract_engine() -> Engine:
    """The ``tesseract`` binary, ``--psm 7``; one process reads a whole list of pictures.

    A picture that crashes it is read as empty (5.3.0: a division by zero on some noise).
    """

    def read(pictures: list[bytes], language: str) -> list[Line]:
        try:
            return [(text, None) for text in _tesseract_texts(pictures, language)]
        except subprocess.CalledProcessError:
            if len(pictures) == 1:
                return [("", None)]
            half = len(pictures) // 2
            return read(pictures[:half], language) + read(pictures[half:], language)

    return Engine(tesseract_label(), "eng, fra", read)


def peers() -> list[Engine]:
    """Those of lines that are present."""
    return present(rapidocr_engine, tesseract_engine)


def _tesseract_texts(pictures: list[bytes], language: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.png" for number in range(len(pictures))]
        for file, picture in zip(files, pictures, strict=True):
            file.write_bytes(picture)  # Leptonica goes by the content, not by the name
        names = Path(folder) / "names.txt"
        names.write_text("".join(f"{file}\n" for file in files))
        output = tesseract_output(str(names), "-", "--psm", "7", "-l", language)
    return [" ".join(page.split()) for page in output.split("\f")]


def tesseract_output(*arguments: str) -> str:
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    done = subprocess.run(
        ["tesseract", *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout
