"""Multi-head attention, its masks, and the key-value cache of a decoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .errors import UsageError

_TANH_GELU = partial(F.gelu, approximate="tanh")


# Named functions, not lambdas: a model has to be picklable.
def _clipped_gelu(x: Tensor) -> Tensor:
    return F.gelu(x).clamp(-10, 10)


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _squared_relu(x: Tensor) -> Tensor:
    return F.relu(x).square()


def _sqrt_softplus(x: Tensor) -> Tensor:
    return F.softplus(x).sqrt()


def _identity(x: Tensor) -> Tensor:
    return x


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_python": F.gelu,
    "gelu_new": _TANH_GELU,
    "gelu_pytorch_tanh": _TANH_GELU,
    "gelu_python_tanh": _TANH_GELU,
    "gelu_accurate": _TANH_GELU,
    "gelu_fast": _TANH_GELU,
    "gelu_10": _clipped_gelu,
    "quick_gelu": _quick_gelu,
    "relu": F.relu,
    "relu2": _squared_relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "silu": F.silu,
    "swish": F.silu,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "sqrtsoftplus": _sqrt_softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "linear": _identity,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The activation that a published configuration names.

    Raises:
        UsageError: an unknown name.
    """
    if name not in ACTIVATIONS:
        raise UsageError(f"Unknown activation {name!r}.", f"Known: {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]


@dataclass
class LayerCache:
    """Keys and values of one decoder layer, each (rows, heads, length, head_dim)."""

    key: Tensor | None = None
    value: Tensor | None = None
    cross_key: Tensor | None = None
    cross_value: Tensor | None = None

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values of new tokens; returns all of them."""
        if self.key is not None and self.value is not None:
            key, value = torch.cat((self.key, key), 2), torch.cat((self.value, value), 2)
        self.key, self.value = key, value
        return key, value


class KVCache:
    """Past keys and values of every decoder layer.

    Contract: a forward pass appends the self-attention keys of its tokens and computes the
    cross-attention keys once; ``reorder`` makes row ``i`` what row ``rows[i]`` was.
    """

    def __init__(self, num_layers: int) -> None:
        self.layers = [LayerCache() for _ in range(num_layers)]

    def get_seq_length(self) -> int:
        """Number of tokens per row."""
        key = self.layers[0].key if self.layers else None
        return 0 if key is None else key.shape[2]

    def reorder(self, rows: Tensor) -> None:
        """Select, repeat or drop rows: ``rows`` is (new_rows,) int64."""
        for layer in self.layers:
            for name in ("key", "value", "cross_key", "cross_value"):
                tensor = getattr(layer, name)
                if tensor is not None:
                    setattr(layer, name, tensor.index_select(0, rows))

    def __len__(self) -> int:
        return len(self.layers)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention (arXiv 1706.03762, section 3.2.2)."""

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        kv_dim: int | None = None,
        dropout: float = 0.0,
        qkv_bias: bool = True,
    ) -> None:
        super().__init__()
        if embed_dim % num_heads:
            raise UsageError(
                f"Width {embed_dim} is not divisible by {num_heads} attention heads.",
                "Choose a width that is a multiple of the number of heads.",
            )
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.dropout = dropout
        self.q_proj = nn.Linear(embed_dim, embed_dim, bias=qkv_bias)
        self.k_proj = nn.Linear(kv_dim or embed_dim, embed_dim, bias=qkv_bias)
        self.v_proj = nn.Linear(kv_dim or embed_dim, embed_dim, bias=qkv_bias)
        self.out_proj = nn.Linear(embed_dim, embed_dim)

    def forward(
        self,
        hidden_states: Tensor,
        key_value_states: Tensor | None = None,
        *,
        cache: LayerCache | None = None,
        attention_mask: Tensor | None = None,
        is_causal: bool = False,
        head_mask: Tensor | None = None,
        output_attentions: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from ``hidden_states`` (batch, queries, embed_dim).

        Args:
            key_value_states: (batch, keys, kv_dim) for cross-attention; default: self-attention.
            attention_mask: additive, broadcastable to (batch, heads, queries, keys).
            is_causal: a triangular mask instead of ``attention_mask``.
            head_mask: (heads,) or (batch, heads, 1, 1); 0 silences a head.

        Returns:
            (batch, queries, embed_dim), and the attention weights (batch, heads, queries, keys)
            when asked for.
        """
        query = self._split(self.q_proj(hidden_states))
        key, value = self._keys_values(hidden_states, key_value_states, cache)
        dropout = self.dropout if self.training else 0.0
        if output_attentions or head_mask is not None:
            weights = self._weights(query, key, attention_mask, is_causal)
            probabilities = F.dropout(weights, dropout)
            if head_mask is not None:
                probabilities = probabilities * _broadcast_head_mask(head_mask)
            context = probabilities @ value
        else:
            weights = None
            context = F.scaled_dot_product_attention(
                query, key, value, attn_mask=attention_mask, dropout_p=dropout, is_causal=is_causal
            )
        out = self.out_proj(context.transpose(1, 2).flatten(2))
        return out, weights if output_attentions else None

    def _keys_values(
        self, hidden_states: Tensor, key_value_states: Tensor | None, cache: LayerCache | None
    ) -> tuple[Tensor, Tensor]:
        if key_value_states is None:
            key, value = (self._split(p(hidden_states)) for p in (self.k_proj, self.v_proj))
            return (key, value) if cache is None else cache.append(key, value)
        if cache is not None and cache.cross_key is not None and cache.cross_value is not None:
            return cache.cross_key, cache.cross_value
        key, value = (self._split(p(key_value_states)) for p in (self.k_proj, self.v_proj))
        if cache is not None:
            cache.cross_key, cache.cross_value = key, value
        return key, value

    def _split(self, states: Tensor) -> Tensor:
        shape = (*states.shape[:-1], self.num_heads, self.head_dim)
        return states.reshape(shape).transpose(1, 2)

    def _weights(
        self, query: Tensor, key: Tensor, attention_mask: Tensor | None, is_causal: bool
    ) -> Tensor:
        scores = (query * self.head_dim**-0.5) @ key.transpose(-1, -2)
        if is_causal:
            attention_mask = causal_mask(query.shape[2], 0, scores.dtype, scores.device)
        if attention_mask is not None:
            scores = scores + attention_mask
        weights: Tensor = scores.softmax(-1)
        return weights


def _broadcast_head_mask(head_mask: Tensor) -> Tensor:
    return head_mask.view(1, -1, 1, 1) if head_mask.dim() == 1 else head_mask


def padding_mask(attention_mask: Tensor, dtype: torch.dtype) -> Tensor:
    """(batch, keys) with 1 = attend, 0 = ignore, to an additive (batch, 1, 1, keys) mask."""
    blocked = (attention_mask == 0)[:, None, None, :]
    return torch.zeros_like(blocked, dtype=dtype).masked_fill(blocked, torch.finfo(dtype).min)


def causal_mask(
    query_length: int, past_length: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Additive (1, 1, queries, past + queries) mask: a token sees itself and what came before."""
    shape = (query_length, past_length + query_length)
    mask = torch.full(shape, torch.finfo(dtype).min, dtype=dtype, device=device)
    return mask.triu(past_length + 1)[None, None]
