"""A page to look at: the validation lines that are read worst."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..writers.web_page import marked_text
from .validation import Reading

SHOWN = 20
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; margin: 2em }}
img {{ height: 48px; max-width: 100%; object-fit: contain; object-position: left; display: block }}
del {{ background: #fcc }}
ins {{ background: #cfc }}
section {{ margin: 1.5em 0; white-space: pre-wrap }}
</style>
<h1>{title}</h1>
<p>The picture, the truth, and what was read: <del>lost</del>, <ins>added</ins>.</p>
{lines}
"""
LINE = '<section><img src="data:image/png;base64,{picture}" alt="">{truth}\n{marked}\n</section>'


def write_worst_lines(readings: Sequence[Reading], path: Path) -> None:
    """Write an HTML page with the ``SHOWN`` readings of highest error, worst first."""
    worst = sorted((r for r in readings if r.cer > 0), key=lambda r: -r.cer)[:SHOWN]
    lines = "\n".join(
        LINE.format(
            picture=base64.b64encode(_png(reading)).decode(),
            truth=html.escape(reading.truth),
            marked=marked_text(reading.truth, reading.text),
        )
        for reading in worst
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    title = html.escape(f"{path.stem}: the worst {len(worst)} of {len(readings)} lines")
    path.write_text(PAGE.format(title=title, lines=lines), encoding="utf-8")


def _png(reading: Reading) -> bytes:
    columns = np.flatnonzero(reading.pixels.any(0))
    width = int(columns[-1]) + 1 if len(columns) else reading.pixels.shape[1]
    grey = (255 * (1 - reading.pixels[:, :width].clip(0, 1))).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()
