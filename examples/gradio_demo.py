"""A demo for a Hugging Face Space: ``pip install 'trocr[layout]' gradio``, and run this file."""

from __future__ import annotations

import gradio as gr
from PIL import Image

import trocr

READERS = {name: trocr.load(name) for name in ("printed", "handwritten", "fast")}


def read(picture: Image.Image, model: str) -> tuple[str, tuple[Image.Image, list[tuple]]]:
    """The text of a picture, and the picture with its lines marked."""
    document = trocr.read(picture, model=READERS[model])
    lines = [(line.box, line.text) for page in document for line in page.lines if line.box]
    return document.text, (picture, lines)


demo = gr.Interface(
    read,
    [gr.Image(type="pil", label="Picture"), gr.Radio(list(READERS), value="printed")],
    [gr.Textbox(label="Text"), gr.AnnotatedImage(label="Lines")],
    title="trocr",
    flagging_mode="never",
    analytics_enabled=False,
)

if __name__ == "__main__":
    demo.launch()
