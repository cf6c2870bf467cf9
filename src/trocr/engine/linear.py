"""Linear layers whose weights lie in memory as the CPU multiplies them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# What oneDNN computes on the way out, by the function that it stands for.
FUSED_ACTIVATIONS = {F.gelu: ("gelu", "none"), F.relu: ("relu", "")}
NARROWING_WIDTH = 2048


class PackedLinear(nn.Module):
    """A linear layer prepacked for oneDNN; for inference only, without parameters.

    Args:
        weight: (out, in), float32 or bfloat16.
        bias: (out,) or None.

    Attributes:
        activation, algorithm: oneDNN's names of what is applied to the output.

    Raises:
        RuntimeError: this CPU or this build of torch cannot pack the dtype.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), None)
        self.bias = None if bias is None else bias.detach()
        self.activation, self.algorithm = "none", ""
        self.multiply = torch.ops.mkldnn._linear_pointwise.default

    def forward(self, states: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        out: Tensor = self.multiply(
            states, self.packed, self.bias, self.activation, [], self.algorithm
        )
        return out


def pack(linear: nn.Linear) -> nn.Module:
    """``linear`` packed; or itself, on another device or where torch cannot pack it."""
    if linear.weight.device.type != "cpu":
        return linear
    try:
        with torch.inference_mode(False), torch.no_grad():
            return PackedLinear(linear.weight, linear.bias)
    except (AttributeError, RuntimeError):  # a private interface of torch
        return linear


def pack_for_many_rows(linear: nn.Linear) -> nn.Module:
    """``linear`` packed, unless oneDNN is slower for a few hundred rows then."""
    out_features, in_features = linear.weight.shape
    narrows = in_features >= NARROWING_WIDTH and in_features > 2 * out_features
    return linear if narrows else pack(linear)
