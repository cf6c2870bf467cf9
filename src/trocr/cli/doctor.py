"""``trocr doctor``: what this installation is made of, and whether it reads as it should."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from importlib import metadata

import typer

from .. import __version__
from ..bundled import BundledModel, bundled_models
from ..errors import TrOCRError

PACKAGES = (
    "torch",
    "numpy",
    "pillow",
    "safetensors",
    "tokenizers",
    "huggingface-hub",
    "rapidfuzz",
    "typer",
    "rich",
)
CPU_FEATURES = ("avx2", "avx512_f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16")


def doctor() -> None:
    """Check this installation.

    Shows versions, threads and CPU features, and lets every bundled model read its test line. The
    token ids are compared with those stored beside the model; the exit code is 1 where they
    differ.

    \b
    trocr doctor
    """
    for name, value in _facts():
        print(f"{name:<16}  {value}")
    found = bundled_models()
    results = {model.name: _self_test(model) for model in found}
    for name, result in results.items():
        print(f"{'model ' + name:<16}  {result}", flush=True)
    if not found:
        print(f"{'models':<16}  FAILED: none in this installation, reinstall trocr")
    if not found or any(result.startswith("FAILED") for result in results.values()):
        raise typer.Exit(1)


def _facts() -> Iterator[tuple[str, str]]:
    import torch

    yield "trocr", __version__
    yield "python", f"{platform.python_version()} ({sys.executable})"
    for package in PACKAGES:
        yield package, metadata.version(package)
    yield "platform", platform.platform()
    yield "threads", str(torch.get_num_threads())
    yield "cpu", f"{torch.backends.cpu.get_cpu_capability()} {_cpu_features()}".rstrip()
    yield "cuda", torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def _cpu_features() -> str:
    import torch

    # Newer than the oldest torch that is supported.
    if not hasattr(torch.cpu, "get_capabilities"):
        return ""
    present = torch.cpu.get_capabilities()
    return " ".join(name for name in CPU_FEATURES if present.get(name))


def _self_test(model: BundledModel) -> str:
    """Read ``selftest.png`` of a model and compare it with ``selftest.json``."""
    from ..recognizer import load

    picture, stored = model.folder / "selftest.png", model.folder / "selftest.json"
    if not (picture.is_file() and stored.is_file()):
        return "no self-test"
    expected = json.loads(stored.read_text(encoding="utf-8"))
    try:
        result = load(model.folder, "cpu", "float32").read_lines([picture])[0]
    except TrOCRError as error:
        return f"FAILED: {error}"
    if list(result.token_ids) != expected["token_ids"]:
        return f"FAILED: read {result.text!r}, expected {expected['text']!r}"
    return f"ok: read {result.text!r}, token for token as stored"
