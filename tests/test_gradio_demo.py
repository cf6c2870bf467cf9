"""The demo for Spaces, where gradio is installed."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_demo_reads_a_picture() -> None:
    pytest.importorskip("gradio")
    demo = runpy.run_path(str(EXAMPLES / "gradio_demo.py"))
    with Image.open(EXAMPLES / "receipt-line.png") as picture:
        text, (_, lines) = demo["read"](picture, "fast")
    assert text == "104 COTTON GLOVE (DOZEN)"
    assert [label for _, label in lines] == [text]
