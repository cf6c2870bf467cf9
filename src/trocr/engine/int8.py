"""Linear layers whose weights are 8-bit integers, for inference on the CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..int8_weights import rows_to_int8

_ZERO = 128  # oneDNN has no fast kernel for few rows of signed activations and small weights
_LEVELS = 126.5  # of an activation on each side; a scale rounded to bfloat16 keeps them below 127.5


def multiplies_int8() -> bool:
    """Whether the CPU multiplies 8-bit integers faster, and without overflow (VNNI)."""
    return bool(torch.cpu._is_vnni_supported()) and hasattr(torch.ops.onednn, "qlinear_pointwise")


class Int8Linear(nn.Module):
    """``y = x W^T + b`` with W as int8, one scale a row of W, and x rounded on its way in.

    Each row of x is rounded to 8 bits with its own scale, so a row's result depends on no other
    row. Against the exact product the relative error is near 1 % (bfloat16: 0.2 %). Where the CPU
    has no kernel for it, the weights are expanded for every product: right, but slow.

    Args:
        weight: (out_features, in_features) int8.
        scale: (out_features,) float32, by which rows of ``weight`` are to be multiplied.
        bias: (out_features,), or None.
    """

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self._scale = scale  # no buffer: it stays float32 whatever the module is cast to
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self._packed: Tensor | None = None
        if multiplies_int8():
            self._packed = torch.ops.onednn.qlinear_prepack(weight, None)
            self._no_offsets = torch.zeros(self.out_features, dtype=torch.int32)
        else:
            self._weight = weight

    @classmethod
    def of(cls, linear: nn.Linear) -> Int8Linear:
        """A layer with the rounded weights of another, which stays as it is."""
        weight, scale = rows_to_int8(linear.weight.detach())
        return cls(weight, scale, None if linear.bias is None else linear.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_features) float32 or bfloat16 to (..., out_features) of the same dtype."""
        bias = None if self.bias is None else self.bias.to(x.dtype)
        if self._packed is None:
            weight = self._weight.to(x.dtype) * self._scale.to(x.dtype)[:, None]
            return F.linear(x, weight, bias)
        rows = x.reshape(-1, self.in_features)
        scale = rows.abs().amax(1, keepdim=True)
        scale = scale.div_(_LEVELS).clamp_min_(torch.finfo(x.dtype).tiny)
        signed = rows.div(scale).round_().to(torch.int8)
        rounded = signed.view(torch.uint8).bitwise_xor_(_ZERO)  # adds 128 where 8 bits wrap
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            *(rounded, 1.0, _ZERO, self._packed, self._scale, self._no_offsets, None),
            *(1.0, 0, x.dtype, "none", [], ""),
        )
        y = product.mul_(scale) if bias is None else torch.addcmul(bias, product, scale)
        return y.view(*x.shape[:-1], self.out_features)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
