"""Where pages are known from: moved to ``line_pages``, for evaluation asks for them too."""

from __future__ import annotations

from ...line_pages import Pages, counted, pages_of

__all__ = ["Pages", "counted", "pages_of"]
