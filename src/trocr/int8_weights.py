"""Matrices stored as 8-bit integers with one scale a row: a quarter of the float32 file.

`to_int8` is for storage only: matrices are float again as soon as they are read.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE_SUFFIX = ".row_scale"


def to_int8(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each floating matrix as int8 and, under its name with ``.row_scale``, a float32 scale a row.

    What is no matrix becomes half precision.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            packed[name] = tensor
        elif tensor.dim() == 2:
            packed[name], packed[name + SCALE_SUFFIX] = rows_to_int8(tensor)
        else:
            packed[name] = tensor.to(torch.float16)
    return packed


def rows_to_int8(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, columns) as int8, and the (rows,) float32 scales to multiply its rows by.

    A row is rounded to 255 even steps between minus and plus its largest magnitude.
    """
    rows = matrix.float()
    scale = rows.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny) / 127
    return (rows / scale[:, None]).round().to(torch.int8), scale


def from_int8(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Undo `to_int8` up to its rounding; tables without scales stay as they are."""
    scales = {name for name in tensors if name.endswith(SCALE_SUFFIX)}
    return {
        name: tensor.float() * tensors[name + SCALE_SUFFIX][:, None]
        if name + SCALE_SUFFIX in scales
        else tensor
        for name, tensor in tensors.items()
        if name not in scales
    }
