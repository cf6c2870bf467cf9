"""Text boxes from the ink alone: no model, numpy and Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image


def text_boxes(image: Image.Image) -> NDArray[np.float64]:
    """Boxes around rows of ink.

    Args:
        image: RGB.

    Returns:
        (boxes, 4, 2): corners clockwise from the top left, in pixels of `image`.
    """
    grey = np.asarray(image.convert("L"), np.float64)
    dark = grey < np.median(grey) - 40
    rows = np.flatnonzero(np.diff(np.concatenate(([0], dark.any(1), [0])).astype(int)))
    boxes = []
    for top, bottom in rows.reshape(-1, 2):
        columns = np.flatnonzero(dark[top:bottom].any(0))
        left, right = columns[0], columns[-1] + 1
        if bottom - top > 4:
            boxes.append([(left, top), (right, top), (right, bottom), (left, bottom)])
    return np.array(boxes, np.float64).reshape(-1, 4, 2)
