"""Lines of receipts that `printed` never saw, read by it and by its peers, interleaved in one run.

    python benchmarks/accuracy.py [--data FOLDER] [--json FILE]

Needs the labelled sets of ../shared unless --data names another set. Peers that are not installed
(`pip install rapidocr onnxruntime`, Debian's `tesseract-ocr`) are left out. Prints the README's
table; scores ignore case, because the labels of SROIE have lost it.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import subprocess
import time
from collections.abc import Callable
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import numpy as np
import torch
from PIL import Image

import trocr
from trocr.labelled_lines import LabelledLine, read_labelled_lines
from trocr.metrics import character_error_rate, sroie_scores
from trocr.training.config import TrainingConfig
from trocr.training.data import read_split

ROOT = Path(__file__).parent.parent
CHUNK = 200

Reader = Callable[[list[bytes]], list[str]]


def trocr_reader(name: str) -> Reader:
    reader = trocr.load(name, device="cpu")
    return lambda pictures: [line.text for line in reader.read_lines(pictures)]


def rapidocr_reader() -> Reader:
    engine = import_module("rapidocr").RapidOCR(
        params={
            "EngineConfig.onnxruntime.intra_op_num_threads": torch.get_num_threads(),
            "Global.log_level": "error",
        }
    )

    def read(pictures: list[bytes]) -> list[str]:
        arrays = [np.asarray(Image.open(io.BytesIO(p)).convert("RGB"))[..., ::-1] for p in pictures]
        outputs = [engine(a, use_det=False, use_cls=False, use_rec=True) for a in arrays]
        return [(output.txts or ("",))[0] for output in outputs]

    return read


def tesseract_reader() -> Reader:
    def read_one(picture: bytes) -> str:
        png = io.BytesIO()
        Image.open(io.BytesIO(picture)).save(png, "PNG")
        command = ["tesseract", "-", "-", "--psm", "7"]
        output = subprocess.run(command, input=png.getvalue(), capture_output=True, check=True)
        return " ".join(output.stdout.decode().split())

    return lambda pictures: [read_one(picture) for picture in pictures]


def engines(model: str) -> dict[str, Reader]:
    """Every engine that this machine has, named with its version."""
    found = {f"trocr {trocr.__version__} `{model}`": trocr_reader(model)}
    if find_spec("rapidocr"):
        found[f"RapidOCR {metadata.version('rapidocr')} recogniser"] = rapidocr_reader()
    if which("tesseract"):
        version = subprocess.run(["tesseract", "--version"], capture_output=True, text=True).stdout
        found[f"Tesseract {version.split()[1]}, one line"] = tesseract_reader()
    return found


def measure(lines: list[LabelledLine], model: str) -> list[dict[str, object]]:
    """Scores and speed of every engine; chunks of lines go round the engines in turn."""
    readers = engines(model)
    texts: dict[str, list[str]] = {name: [] for name in readers}
    rates: dict[str, list[float]] = {name: [] for name in readers}
    for start in range(0, len(lines), CHUNK):
        pictures = [line.image for line in lines[start : start + CHUNK]]
        for name, read in readers.items():
            began = time.perf_counter()
            texts[name] += read(pictures)
            rates[name].append(len(pictures) / (time.perf_counter() - began))
    references = [line.text.lower() for line in lines]
    rows: list[dict[str, object]] = []
    for name in readers:
        predictions = [text.lower() for text in texts[name]]
        rows.append(
            {
                "engine": name,
                "word_f1": sroie_scores(predictions, references).f1,
                "cer": character_error_rate(predictions, references),
                "lines_per_second": float(np.median(rates[name])),
            }
        )
    return rows


def table(rows: list[dict[str, object]]) -> str:
    head = "| engine | word F1 % | CER % | lines/s |\n|---|---|---|---|\n"
    template = "| {engine} | {word_f1:.1f} | {cer:.2f} | {lines_per_second:.0f} |\n"
    return head + "".join(template.format(**row) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a labelled set instead of the validation lines")
    parser.add_argument("--model", default="printed")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="also write everything here")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.data:
        lines = list(read_labelled_lines(arguments.data))
    else:
        lines = read_split(TrainingConfig.read(ROOT / "configs/printed.toml"))[1]
    rows = measure(lines, arguments.model)
    print(
        f"{len(lines)} lines, case ignored, {arguments.threads} thread(s), "
        f"torch {torch.__version__}"
    )
    print(table(rows))
    if arguments.json:
        facts = {
            "lines": len(lines),
            "threads": arguments.threads,
            "torch": torch.__version__,
            "machine": platform.processor() or platform.machine(),
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "commit": subprocess.run(
                ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True
            ).stdout.strip(),
        }
        arguments.json.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
