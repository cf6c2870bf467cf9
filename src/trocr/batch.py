"""The named arrays that the processors return: a dict whose entries are attributes too."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import UsageError


class BatchFeature(dict[str, Any]):
    """A dict of arrays, e.g. ``pixel_values``, ``labels``, ``input_ids``, ``attention_mask``.

    ``batch.pixel_values`` is ``batch["pixel_values"]``.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"No {name!r} in this batch; it has {sorted(self)}.") from None

    def to(self, device: Any = None, dtype: Any = None) -> BatchFeature:
        """Move every tensor to `device`; `dtype` changes floating-point tensors only.

        Returns the batch itself, as ``batch.to("cuda")`` is written in the reference.
        """
        for name, value in self.items():
            if hasattr(value, "to"):
                self[name] = value.to(
                    device=device, dtype=dtype if value.is_floating_point() else None
                )
        return self


def to_arrays(value: Any, return_tensors: str | None) -> Any:
    """Convert nested lists or a list of equal arrays as `return_tensors` asks.

    Args:
        value: numbers in nested lists, or a list of numpy arrays of one shape.
        return_tensors: ``None`` (unchanged), ``"np"`` or ``"pt"``.

    Raises:
        UsageError: an unknown `return_tensors`, or rows of different lengths.
    """
    if return_tensors is None:
        return value
    if return_tensors not in ("np", "pt"):
        raise UsageError(
            f"return_tensors={return_tensors!r} is not known.", 'Use "pt", "np" or None.'
        )
    try:
        array = np.array(value)
    except ValueError as error:
        raise UsageError(
            f"Rows of different lengths cannot become one array ({error}).",
            "Ask for padding=True (texts) or one size (images).",
        ) from error
    if return_tensors == "np":
        return array
    import torch

    return torch.from_numpy(array)
