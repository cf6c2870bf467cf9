"""A loaded model made ready to read fast, and to do nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection

from torch import nn

from ..attention import activation
from ..decoder import TrOCRDecoderLayer
from ..encoder import ViTLayer
from ..line_encoder import ConvBlock, LineEncoderLayer
from ..model import VisionEncoderDecoderModel
from .convolution import pack_convolution
from .int8 import Int8Linear
from .linear import FUSED_ACTIVATIONS, PackedLinear, pack, pack_for_many_rows


def prepare(model: VisionEncoderDecoderModel, int8: Collection[str] = ()) -> None:
    """Fuse and pack the weights, in place.

    Queries, keys and values are projected in one product; convolutions hold their batch norms;
    linear layers are packed for the CPU, activations included. The model computes what it computed
    before, up to rounding, and can neither be trained nor saved any more.

    Args:
        model: in evaluation mode, on its device and in its dtype.
        int8: groups whose linear layers get 8-bit weights: ``"encoder"``, ``"decoder"``,
            ``"output_projection"``.
    """
    model.packed_parameters = model.num_parameters()
    encoder, decoder = model.encoder, model.decoder
    for module in encoder.modules():
        if isinstance(module, ConvBlock):
            module.packed = pack_convolution(module)
        if isinstance(module, (ViTLayer, LineEncoderLayer)):
            module.attention.fuse(cross_attention=False)
            _replace_linears(module, Int8Linear.of if "encoder" in int8 else pack_for_many_rows)
            _fuse_activation(module)
    for layer in decoder.model.decoder.layers:
        assert isinstance(layer, TrOCRDecoderLayer)
        layer.self_attn.fuse(cross_attention=False)
        layer.encoder_attn.fuse(cross_attention=True)
        _replace_linears(layer, Int8Linear.of if "decoder" in int8 else pack)
        _fuse_activation(layer)
    of_head = Int8Linear.of if "output_projection" in int8 else pack
    setattr(decoder, "output_projection", of_head(decoder.output_projection))  # noqa: B010


def _replace_linears(module: nn.Module, replacement: Callable[[nn.Linear], nn.Module]) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, replacement(child))
        else:
            _replace_linears(child, replacement)


def _fuse_activation(layer: TrOCRDecoderLayer | ViTLayer | LineEncoderLayer) -> None:
    fused = FUSED_ACTIVATIONS.get(layer.activation_fn)
    if fused is not None and isinstance(layer.fc1, PackedLinear):
        layer.fc1.activation, layer.fc1.algorithm = fused
        layer.activation_fn = activation("linear")
