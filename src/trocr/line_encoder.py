"""Our own image encoder: a convolutional stem and a Transformer over the columns of a text line.

Lines keep their aspect ratio: height is fixed and one token stands for ``PIXELS_PER_TOKEN`` pixels
of width, so cost follows ink. A CTC head reads the same states (hybrid CTC/attention, Watanabe et
al. 2017, doi 10.1109/JSTSP.2017.2763455).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import MultiHeadAttention, activation, padding_mask
from .config import PIXELS_PER_TOKEN, LineEncoderConfig
from .layer_stack import LayerStack
from .outputs import EncoderOutput

# Attention over other numbers of tokens takes up to twice the time, on CPUs with AMX.
TOKEN_MULTIPLE = 16


class ConvBlock(nn.Module):
    """3 x 3 convolution, batch norm, ReLU; a residual where the shape stays."""

    def __init__(self, channels_in: int, channels_out: int, stride: tuple[int, int]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)
        self.column_stride = stride[1]
        self.residual = channels_in == channels_out and stride == (1, 1)
        self.packed: nn.Module | None = None  # convolution, norm and ReLU in one, for inference

    def forward(self, pixels: Tensor, widths: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channels, height, width) and the (batch,) widths of the lines in it, int64."""
        widths = widths // self.column_stride
        out = self.packed(pixels) if self.packed else self._normalized(pixels)
        # A line ends in the zero border that it has alone; what is beyond touches it no more.
        shorter = (widths < out.shape[3]).nonzero()[:, 0]
        out[shorter, :, :, widths[shorter]] = 0
        out = out if self.packed else F.relu(out)
        return out + pixels if self.residual else out, widths

    def _normalized(self, pixels: Tensor) -> Tensor:
        # A norm that is frozen keeps its statistics while the rest trains.
        if self.training and self.norm.weight.requires_grad:
            normalized: Tensor = self.norm(self._convolved(pixels, self.conv.weight))
            return normalized
        return self._convolved(pixels, *self.folded())

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution, batch norm of the evaluation included."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight = self.conv.weight * scale[:, None, None, None]
        # Channels last is the layout that CPUs compute in.
        weight = weight.to(memory_format=torch.channels_last)
        return weight, norm.bias - norm.running_mean * scale

    def _convolved(self, pixels: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        weight = weight.to(memory_format=torch.channels_last)
        return F.conv2d(pixels, weight, bias, self.conv.stride, self.conv.padding)


class LineEncoderLayer(nn.Module):
    """A pre-norm Transformer layer."""

    def __init__(self, config: LineEncoderConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.dropout = config.hidden_dropout_prob
        self.activation_fn = activation(config.hidden_act)
        self.attention_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.attention = MultiHeadAttention(
            width, config.num_attention_heads, dropout=config.attention_probs_dropout_prob
        )
        self.feed_forward_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.fc1 = nn.Linear(width, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, width)

    def forward(
        self, states: Tensor, attention_mask: Tensor | None, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        attended, weights = self.attention(
            self.attention_norm(states),
            attention_mask=attention_mask,
            output_attentions=output_attentions,
        )
        states = states + F.dropout(attended, self.dropout, self.training)
        hidden = self.fc2(self.activation_fn(self.fc1(self.feed_forward_norm(states))))
        return states + F.dropout(hidden, self.dropout, self.training), weights


class LineEncoder(LayerStack, nn.Module):
    """Grey text lines to one hidden state per ``PIXELS_PER_TOKEN`` columns, and CTC logits."""

    def __init__(self, config: LineEncoderConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third, fourth = config.stem_channels
        self.stem = nn.ModuleList(
            (
                ConvBlock(1, first, (2, 2)),
                ConvBlock(first, second, (2, 2)),
                ConvBlock(second, second, (1, 1)),
                ConvBlock(second, third, (2, 1)),
                ConvBlock(third, third, (1, 1)),
                ConvBlock(third, fourth, (2, 1)),
            )
        )
        rows, columns = config.image_height // 16, PIXELS_PER_TOKEN // 4
        self.projection = nn.Linear(fourth * rows * columns, config.hidden_size)
        self.layers = nn.ModuleList(
            LineEncoderLayer(config) for _ in range(config.num_hidden_layers)
        )
        self.norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
        self.ctc_head = nn.Linear(
            config.hidden_size, config.ctc_frames_per_token * config.ctc_vocab_size
        )
        self.apply(self._init_weights)

    def forward(
        self,
        pixel_values: Tensor,
        pixel_mask: Tensor | None = None,
        output_attentions: bool = False,
        output_hidden_states: bool = False,
        **_: Any,
    ) -> EncoderOutput:
        """Encode lines.

        Args:
            pixel_values: (batch, 1, image_height, width), 0 = paper; width a multiple of
                ``PIXELS_PER_TOKEN``.
            pixel_mask: (batch, width), 1 = the line, 0 = padding to its right.

        Returns:
            ``last_hidden_state`` (batch, tokens, hidden_size), ``attention_mask`` (batch, tokens),
            ``ctc_logits`` (batch, tokens * ctc_frames_per_token, ctc_vocab_size).
        """
        batch, _channels, _height, width = pixel_values.shape
        if pixel_mask is None:
            pixel_mask = pixel_values.new_ones((batch, width))
        states, widths = pixel_values, pixel_mask.sum(1, dtype=torch.int64)
        for block in self.stem:
            states, widths = block(states, widths)
        states = self._tokens(states)
        states = states + sinusoids(states.shape[1], states.shape[2], states)
        token_mask = pixel_mask[:, ::PIXELS_PER_TOKEN]
        tokens = states.shape[1]
        padding = -tokens % TOKEN_MULTIPLE
        states, seen = F.pad(states, (0, 0, 0, padding)), F.pad(token_mask, (0, padding))
        attention_mask = None if bool(seen.all()) else padding_mask(seen, states.dtype)
        all_states, attentions = [states[:, :tokens]], []
        for layer in self.layers:
            states, weights = self.run_layer(layer, states, attention_mask, output_attentions)
            all_states.append(states[:, :tokens])
            attentions.append(weights)
        states = self.norm(states[:, :tokens])
        return EncoderOutput(
            last_hidden_state=states,
            hidden_states=tuple(all_states) if output_hidden_states else None,
            attentions=(
                tuple(weights[:, :, :tokens, :tokens] for weights in attentions)
                if output_attentions
                else None
            ),
            attention_mask=token_mask,
            ctc_logits=self.ctc_head(states).view(batch, -1, self.config.ctc_vocab_size),
        )

    def _tokens(self, pixels: Tensor) -> Tensor:
        """(batch, channels, rows, width) to (batch, tokens, hidden_size)."""
        batch, channels, rows, _width = pixels.shape
        columns = PIXELS_PER_TOKEN // 4
        # Channels last, as they are in memory: the weights are put in order instead.
        values = pixels.permute(0, 2, 3, 1).reshape(batch, rows, -1, columns, channels)
        values = values.transpose(1, 2).flatten(2)
        weight = self.projection.weight.view(-1, channels, rows, columns)
        return F.linear(values, weight.permute(0, 2, 3, 1).flatten(1), self.projection.bias)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=self.config.initializer_range)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def sinusoids(length: int, width: int, like: Tensor) -> Tensor:
    """(length, width) sine and cosine positions (arXiv 1706.03762, section 3.5)."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half, device=like.device) * (-math.log(10000) / half))
    angles = torch.arange(length, device=like.device)[:, None] * frequencies
    return torch.cat((angles.sin(), angles.cos()), 1).to(like.dtype)
