"""The published image encoders: ViT (arXiv 2010.11929) and DeiT (arXiv 2012.12877)."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import MultiHeadAttention, activation
from .checkpoint import NamePairs
from .config import DeiTConfig, ModelConfig, ViTConfig
from .errors import UsageError
from .layer_stack import LayerStack
from .outputs import EncoderOutput, default
from .pretrained import PretrainedModel

IMAGES_AT_ONCE = 8

_LAYER = "encoder.layer.{n}"


class ViTLayer(nn.Module):
    """Self-attention and feed-forward, each behind its norm and around a residual."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.dropout = config.hidden_dropout_prob
        self.activation_fn = activation(config.hidden_act)
        self.layernorm_before = nn.LayerNorm(width, config.layer_norm_eps)
        self.attention = MultiHeadAttention(
            width,
            config.num_attention_heads,
            dropout=config.attention_probs_dropout_prob,
            qkv_bias=config.qkv_bias,
        )
        self.layernorm_after = nn.LayerNorm(width, config.layer_norm_eps)
        self.fc1 = nn.Linear(width, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, width)

    def forward(
        self, states: Tensor, head_mask: Tensor | None, output_attentions: bool
    ) -> tuple[Tensor, Tensor | None]:
        attended, weights = self.attention(
            self.layernorm_before(states), head_mask=head_mask, output_attentions=output_attentions
        )
        states = states + F.dropout(attended, self.dropout, self.training)
        hidden = self.fc2(self.activation_fn(self.fc1(self.layernorm_after(states))))
        return states + F.dropout(hidden, self.dropout, self.training), weights


class ViTModel(LayerStack, PretrainedModel):
    """Image patches to hidden states, behind a class token; no pooler, which TrOCR never reads."""

    config_class: ClassVar[type[ModelConfig]] = ViTConfig
    published_names: ClassVar[NamePairs] = (
        ("cls_token", "embeddings.cls_token"),
        ("distillation_token", "embeddings.distillation_token"),
        ("position_embeddings", "embeddings.position_embeddings"),
        ("patch_embeddings", "embeddings.patch_embeddings.projection"),
        ("layers.{n}.layernorm_before", f"{_LAYER}.layernorm_before"),
        ("layers.{n}.attention.q_proj", f"{_LAYER}.attention.attention.query"),
        ("layers.{n}.attention.k_proj", f"{_LAYER}.attention.attention.key"),
        ("layers.{n}.attention.v_proj", f"{_LAYER}.attention.attention.value"),
        ("layers.{n}.attention.out_proj", f"{_LAYER}.attention.output.dense"),
        ("layers.{n}.layernorm_after", f"{_LAYER}.layernorm_after"),
        ("layers.{n}.fc1", f"{_LAYER}.intermediate.dense"),
        ("layers.{n}.fc2", f"{_LAYER}.output.dense"),
    )
    _special_tokens: ClassVar[tuple[str, ...]] = ("cls_token",)

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.image_size, self.patch_size = _pair(config.image_size), _pair(config.patch_size)
        rows, columns = self.grid(*self.image_size)
        for name in self._special_tokens:
            self.register_parameter(name, nn.Parameter(torch.empty(1, 1, width)))
        self.position_embeddings = nn.Parameter(
            torch.empty(1, len(self._special_tokens) + rows * columns, width)
        )
        self.patch_embeddings = nn.Conv2d(
            config.num_channels, width, self.patch_size, self.patch_size
        )
        self.layers = nn.ModuleList(ViTLayer(config) for _ in range(config.num_hidden_layers))
        self.layernorm = nn.LayerNorm(width, config.layer_norm_eps)
        self._init_weights()

    def forward(
        self,
        pixel_values: Tensor,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        interpolate_pos_encoding: bool = False,
        return_dict: bool | None = None,
        head_mask: Tensor | None = None,
    ) -> EncoderOutput | tuple[Any, ...]:
        """Encode images.

        Args:
            pixel_values: (batch, num_channels, height, width), normalised; cast to the dtype of
                the weights.
            interpolate_pos_encoding: fit the position table to another image size, bicubically.
            head_mask: (layers, heads), 1 = keep, 0 = silence.

        Returns:
            ``last_hidden_state`` (batch, special tokens + patches, hidden_size), and on request
            ``hidden_states`` (the embeddings and every layer's output, before the final norm) and
            ``attentions`` (batch, heads, tokens, tokens) of every layer.

        Raises:
            UsageError: the wrong number of channels, or another image size without asking for
                interpolation.
        """
        config = self.config
        want_attentions = default(output_attentions, config.output_attentions)
        want_states = default(output_hidden_states, config.output_hidden_states)
        if self._too_many(pixel_values) and not (want_attentions or want_states):
            parts = [
                self(part, interpolate_pos_encoding=interpolate_pos_encoding, head_mask=head_mask)
                for part in torch.split(pixel_values, IMAGES_AT_ONCE)
            ]
            output = EncoderOutput(torch.cat([part[0] for part in parts]))
            return output if default(return_dict, config.return_dict) else output.to_tuple()
        states = self._embed(pixel_values, interpolate_pos_encoding)
        all_states, attentions = [states], []
        for index, layer in enumerate(self.layers):
            kept_heads = None if head_mask is None else head_mask[index]
            states, weights = self.run_layer(layer, states, kept_heads, want_attentions)
            all_states.append(states)
            attentions.append(weights)
        output = EncoderOutput(
            last_hidden_state=self.layernorm(states),
            hidden_states=tuple(all_states) if want_states else None,
            attentions=tuple(attentions) if want_attentions else None,
        )
        return output if default(return_dict, config.return_dict) else output.to_tuple()

    def _too_many(self, pixel_values: Tensor) -> bool:
        """Whether they are better read in parts: a CPU's memory is slow where tensors are new."""
        many = len(pixel_values) > IMAGES_AT_ONCE and pixel_values.device.type == "cpu"
        return many and not torch.is_grad_enabled()

    def _embed(self, pixel_values: Tensor, interpolate: bool) -> Tensor:
        batch, channels, height, width = pixel_values.shape
        if channels != self.config.num_channels:
            raise UsageError(
                f"The model takes images of {self.config.num_channels} channels, not {channels}.",
                "Prepare them with the processor of the model.",
            )
        if (height, width) != self.image_size and not interpolate:
            raise UsageError(
                f"The model takes images of {self.image_size[0]} x {self.image_size[1]} pixels "
                f"(height x width), not {height} x {width}.",
                "Resize them, or pass interpolate_pos_encoding=True.",
            )
        pixels = pixel_values.to(self.patch_embeddings.weight.dtype)
        patches = self.patch_embeddings(pixels).flatten(2).transpose(1, 2)
        special = [getattr(self, name).expand(batch, -1, -1) for name in self._special_tokens]
        states = torch.cat((*special, patches), 1) + self._positions(height, width)
        return F.dropout(states, self.config.hidden_dropout_prob, self.training)

    def _positions(self, height: int, width: int) -> Tensor:
        """(1, tokens, hidden_size) for an image size; the table itself at the native grid."""
        native, grid = self.grid(*self.image_size), self.grid(height, width)
        if grid == native:
            return self.position_embeddings
        count = len(self._special_tokens)
        special, patches = self.position_embeddings[:, :count], self.position_embeddings[:, count:]
        table = patches.reshape(1, *native, -1).permute(0, 3, 1, 2)
        table = F.interpolate(table, size=grid, mode="bicubic", align_corners=False)
        return torch.cat((special, table.flatten(2).transpose(1, 2)), 1)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the patches of an image."""
        return height // self.patch_size[0], width // self.patch_size[1]

    def _init_weights(self) -> None:
        std = self.config.initializer_range
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.trunc_normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for name in (*self._special_tokens, "position_embeddings"):
            nn.init.trunc_normal_(getattr(self, name), std=std)


class DeiTModel(ViTModel):
    """ViT with a distillation token after the class token."""

    config_class: ClassVar[type[ModelConfig]] = DeiTConfig
    _special_tokens: ClassVar[tuple[str, ...]] = ("cls_token", "distillation_token")


def _pair(size: int | tuple[int, int] | list[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
