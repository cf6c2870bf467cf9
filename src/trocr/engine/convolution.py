"""Convolutions whose weights hold the batch norm, and whose output is already rectified."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..line_encoder import ConvBlock


class PackedConvolution(nn.Module):
    """Convolution, batch norm and ReLU of a block in one pass of oneDNN; for inference only.

    Raises:
        AttributeError: this build of torch has no such pass.
    """

    def __init__(self, block: ConvBlock) -> None:
        super().__init__()
        weight, bias = block.folded()
        self.weight, self.bias = weight.detach(), bias.detach()
        conv = block.conv
        self.geometry = conv.padding, conv.stride, conv.dilation, conv.groups
        self.convolve = torch.ops.mkldnn._convolution_pointwise.default

    def forward(self, pixels: Tensor) -> Tensor:
        """(batch, channels, height, width), as the convolution takes and gives them."""
        out: Tensor = self.convolve(pixels, self.weight, self.bias, *self.geometry, "relu", [], "")
        return out


def pack_convolution(block: ConvBlock) -> nn.Module | None:
    """The block's convolution packed; None on another device or where torch cannot pack it."""
    if block.conv.weight.device.type != "cpu":
        return None
    try:
        return PackedConvolution(block)
    except (AttributeError, RuntimeError):  # a private interface of torch
        return None
