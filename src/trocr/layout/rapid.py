"""Text boxes by RapidOCR's detector, whose model is inside its wheel."""

from __future__ import annotations

import os
import threading
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

SIDE = 960  # pixels of the longer side, as the detector sees a page
_LOCK = threading.Lock()


def text_boxes(image: Image.Image) -> NDArray[np.float64]:
    """Quadrilaterals around words and parts of lines.

    Args:
        image: RGB.

    Returns:
        (boxes, 4, 2): corners clockwise from the top left, in pixels of `image`.

    Raises:
        UsageError: rapidocr or onnxruntime is not installed.
    """
    scale = min(1.0, SIDE / max(image.size))
    size = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
    pixels = np.asarray(image.resize(size))[..., ::-1]
    with _LOCK:  # the engine keeps state while it runs
        found = _engine()(pixels, use_det=True, use_cls=False, use_rec=False)
    if found.boxes is None:
        return np.zeros((0, 4, 2))
    boxes: NDArray[np.float64] = np.asarray(found.boxes, np.float64)
    return boxes * (image.width / size[0], image.height / size[1])


@cache
def _engine() -> Any:
    missing = [name for name in ("rapidocr", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise UsageError(f"This detector needs {missing[0]}.", "Run: pip install 'trocr[layout]'")
    from rapidocr import RapidOCR

    threads = int(os.environ.get("OMP_NUM_THREADS") or -1)
    return RapidOCR(
        params={
            "Global.log_level": "error",
            "Global.use_preprocess_img": False,
            "Det.limit_type": "max",
            "Det.limit_side_len": 100_000,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": threads,
        }
    )
