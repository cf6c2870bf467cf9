"""trocr: pictures of text lines in, words out."""

from __future__ import annotations

__version__ = "0.1.0"
