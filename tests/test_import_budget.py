"""``import trocr`` and ``trocr --help`` start fast and without the heavy libraries."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

import trocr

HEAVY = (
    "torch",
    "transformers",
    "huggingface_hub",
    "tokenizers",
    "safetensors",
    "numpy",
    "PIL",
    "rapidfuzz",
)
SECONDS = 10  # the real cost is well below one; a busy machine is slow, torch is slower
PACKAGE = "import trocr; trocr.__version__, dir(trocr)"
HELP = "from trocr.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"
READ_HELP = HELP.replace("'--help'", "'read', '--help'")


@pytest.mark.parametrize("code", [PACKAGE, HELP, READ_HELP], ids=["import", "help", "read-help"])
def test_nothing_heavy_is_imported(code: str) -> None:
    show = "\nimport sys; print(*sys.modules, file=sys.stderr)"
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code + show], capture_output=True, check=True)
    seconds = time.perf_counter() - start
    assert not set(HEAVY) & set(done.stderr.decode().split())
    assert seconds < SECONDS


def test_every_public_name_is_there() -> None:
    assert trocr.__all__ == dir(trocr)
    missing = [name for name in trocr.__all__ if getattr(trocr, name, None) is None]
    assert not missing


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tesseract'"):
        trocr.tesseract  # noqa: B018


def test_loading_a_model_does_not_import_the_compiler() -> None:
    """Drawing random parameters on the meta device would: two seconds for nothing."""
    script = "import sys, trocr; trocr.load(); sys.exit('torch._dynamo' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)
