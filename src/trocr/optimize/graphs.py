"""A model as networks of plain tensors in and out, which exporters can trace.

The modules are the model's own; what is written anew is what cannot be traced: caches that are
objects, shapes that depend on values. Every size but those of the configuration may vary.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..attention import MultiHeadAttention, padding_mask
from ..config import PIXELS_PER_TOKEN
from ..decoder import TrOCRDecoderLayer, TrOCRForCausalLM
from ..line_encoder import ConvBlock, LineEncoder, sinusoids
from ..model import VisionEncoderDecoderModel


class PublishedEncoderGraph(nn.Module):
    """ViT or DeiT: pictures of one size to states that all count."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """``last_hidden_state`` and ``attention_mask``, all 1."""
        states: Tensor = self.encoder(pixel_values, return_dict=True).last_hidden_state
        return states, torch.ones_like(states[:, :, 0])


class LineEncoderGraph(nn.Module):
    """``LineEncoder`` without anything that depends on where the lines of a batch end."""

    def __init__(self, encoder: LineEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, pixel_values: Tensor, pixel_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``last_hidden_state``, ``attention_mask`` and ``ctc_logits``; padding holds anything."""
        encoder = self.encoder
        states = pixel_values
        for block in encoder.stem:
            assert isinstance(block, ConvBlock)
            pixel_mask = pixel_mask[:, :: block.column_stride]
            convolved = F.relu(block.norm(block.conv(states))) * pixel_mask[:, None, None]
            states = convolved + states if block.residual else convolved
        token_mask = pixel_mask[:, :: PIXELS_PER_TOKEN // 4]
        states = self._tokens(states)
        states = states + sinusoids(states.shape[1], states.shape[2], states)
        attention_mask = padding_mask(token_mask, states.dtype)
        for layer in encoder.layers:
            states, _ = layer(states, attention_mask, False)
        states = encoder.norm(states)
        frames = encoder.ctc_head(states).unflatten(2, (-1, encoder.config.ctc_vocab_size))
        return states, token_mask, frames.flatten(1, 2)

    def _tokens(self, pixels: Tensor) -> Tensor:
        """(batch, channels, rows, width) to (batch, tokens, hidden_size): a convolution."""
        projection = self.encoder.projection
        kernel = (pixels.shape[2], PIXELS_PER_TOKEN // 4)
        weight = projection.weight.view(-1, pixels.shape[1], *kernel)
        return F.conv2d(pixels, weight, projection.bias, kernel)[:, :, 0].transpose(1, 2)


class CrossAttentionGraph(nn.Module):
    """Encoder states to the keys and values that every step of the decoder attends to."""

    def __init__(self, model: VisionEncoderDecoderModel) -> None:
        super().__init__()
        self.projection = model.enc_to_dec_proj or nn.Identity()
        self.layers = model.decoder.model.decoder.layers

    def forward(self, encoder_hidden_states: Tensor) -> tuple[Tensor, ...]:
        """Key and value of each layer in turn, (batch, heads, source, head_dim)."""
        states = self.projection(encoder_hidden_states)
        found: list[Tensor] = []
        for layer in self.layers:
            assert isinstance(layer, TrOCRDecoderLayer)
            found += _keys_values(layer.encoder_attn, states)
        return tuple(found)


class DecoderGraph(nn.Module):
    """New tokens behind a cache of past ones to logits and the longer cache."""

    def __init__(self, model: TrOCRForCausalLM) -> None:
        super().__init__()
        self.decoder = model.model.decoder
        self.output_projection = model.output_projection

    def forward(
        self, input_ids: Tensor, encoder_attention_mask: Tensor, *cache: Tensor
    ) -> tuple[Tensor, ...]:
        """Logits (batch, length, vocab_size) of the token after each one given, and the cache.

        Args:
            input_ids: (batch, length) int64.
            encoder_attention_mask: (batch, source), 1 = attend, 0 = padding.
            cache: cross key and value of each layer in turn, (batch, heads, source, head_dim);
                then past key and value of each, (batch, heads, past, head_dim); past may be 0.

        Returns:
            logits, then key and value of each layer, (batch, heads, past + length, head_dim).
        """
        count = len(cache) // 2
        cross, past = cache[:count], cache[count:]
        past_length = past[0].shape[2]
        positions = torch.arange(past_length + input_ids.shape[1], device=input_ids.device)
        new = positions[past_length:]
        states = self._embed(input_ids, new)
        mask = (new[:, None] < positions).to(states.dtype) * torch.finfo(states.dtype).min
        cross_mask = padding_mask(encoder_attention_mask, states.dtype)
        present: list[Tensor] = []
        for index, layer in enumerate(self.decoder.layers):
            assert isinstance(layer, TrOCRDecoderLayer)
            pair = slice(2 * index, 2 * index + 2)
            own = _keys_values(layer.self_attn, states)
            own = [torch.cat(parts, 2) for parts in zip(past[pair], own, strict=True)]
            attended = _attend(layer.self_attn, states, own, mask)
            states = layer.self_attn_layer_norm(states + attended)
            attended = _attend(layer.encoder_attn, states, cross[pair], cross_mask)
            states = layer.encoder_attn_layer_norm(states + attended)
            hidden = layer.fc2(layer.activation_fn(layer.fc1(states)))
            states = layer.final_layer_norm(states + hidden)
            present += own
        return self.output_projection(states), *present

    def _embed(self, input_ids: Tensor, positions: Tensor) -> Tensor:
        decoder = self.decoder
        states: Tensor = decoder.embed_tokens(input_ids) * decoder.embed_scale
        states = states + decoder.embed_positions(positions[None], input_ids)
        norm = decoder.layernorm_embedding
        return states if norm is None else norm(states)


def _keys_values(attention: MultiHeadAttention, states: Tensor) -> list[Tensor]:
    return [_split(part(states), attention) for part in (attention.k_proj, attention.v_proj)]


def _split(states: Tensor, attention: MultiHeadAttention) -> Tensor:
    """(batch, length, width) to (batch, heads, length, head_dim)."""
    shape = (*states.shape[:2], attention.num_heads, attention.head_dim)
    return states.reshape(shape).transpose(1, 2)


def _attend(
    attention: MultiHeadAttention, states: Tensor, keys_values: Sequence[Tensor], mask: Tensor
) -> Tensor:
    query = _split(attention.q_proj(states), attention)
    key, value = keys_values
    context = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    attended: Tensor = attention.out_proj(context.transpose(1, 2).flatten(2))
    return attended
