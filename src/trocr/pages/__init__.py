"""Whatever holds pages, one page after another: pictures, TIFF, PDF, folders, patterns, URLs.

``read_pages`` is the way in.
"""

from .counting import count_pages
from .inputs import Input, find_inputs
from .page import Limits, PageFailure, PageImage
from .reading import read_pages

__all__ = [
    "Input",
    "Limits",
    "PageFailure",
    "PageImage",
    "count_pages",
    "find_inputs",
    "read_pages",
]
