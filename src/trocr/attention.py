"""Multi-head attention and its masks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .errors import UsageError
from .kv_cache import LayerCache

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
        query, key, value = self._project(hidden_states, key_value_states, cache)
        rows = 1 if cache is None or key_value_states is None else cache.rows_per_source
        query = _fold(query, rows)
        if attention_mask is not None and rows > 1:
            attention_mask = attention_mask[::rows]
        dropout = self.dropout if self.training else 0.0
        if output_attentions or head_mask is not None:
            weights = self._weights(query, key, attention_mask, is_causal)
            probabilities = F.dropout(weights, dropout)
            if head_mask is not None:
                probabilities = probabilities * _broadcast_head_mask(head_mask)
            context = probabilities @ value
            weights = _unfold(weights, rows)
        else:
            weights = None
            context = F.scaled_dot_product_attention(
                query, key, value, attn_mask=attention_mask, dropout_p=dropout, is_causal=is_causal
            )
        out = self.out_proj(_unfold(context, rows).transpose(1, 2).flatten(2))
        return out, weights if output_attentions else None

    def fuse(self, cross_attention: bool) -> None:
        """Project keys and values in one product, for inference; and queries, unless they differ.

        Parameters change their names, so that the module cannot be saved any more.
        """
        if cross_attention:
            self.kv_proj = _joined(self.k_proj, self.v_proj)
        else:
            self.qkv_proj = _joined(self.q_proj, self.k_proj, self.v_proj)
            del self.q_proj
        del self.k_proj, self.v_proj

    def _project(
        self, hidden_states: Tensor, key_value_states: Tensor | None, cache: LayerCache | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if key_value_states is None:
            query, key, value = self._queries_keys_values(hidden_states)
            return query, *((key, value) if cache is None else cache.append(key, value))
        query = self._split(self.q_proj(hidden_states))
        if cache is not None and cache.cross_key is not None and cache.cross_value is not None:
            return query, cache.cross_key, cache.cross_value
        key, value = self._keys_values(key_value_states)
        if cache is not None:
            cache.cross_key, cache.cross_value = key, value
        return query, key, value

    def _queries_keys_values(self, states: Tensor) -> tuple[Tensor, ...]:
        if hasattr(self, "qkv_proj"):
            return tuple(map(self._split, self.qkv_proj(states).chunk(3, -1)))
        return tuple(self._split(p(states)) for p in (self.q_proj, self.k_proj, self.v_proj))

    def _keys_values(self, states: Tensor) -> tuple[Tensor, ...]:
        if hasattr(self, "kv_proj"):
            # Contiguous, as they are read at every step.
            return tuple(self._split(x).contiguous() for x in self.kv_proj(states).chunk(2, -1))
        return tuple(self._split(p(states)) for p in (self.k_proj, self.v_proj))

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


def _fold(states: Tensor, rows: int) -> Tensor:
    """Queries of so many neighbouring rows as those of one, (rows, heads, queries, head_dim)."""
    if rows == 1:
        return states
    total, heads, queries, width = states.shape
    grouped = states.reshape(total // rows, rows, heads, queries, width)
    return grouped.transpose(1, 2).flatten(2, 3)


def _unfold(states: Tensor, rows: int) -> Tensor:
    if rows == 1:
        return states
    total, heads, queries, width = states.shape
    grouped = states.reshape(total, heads, rows, queries // rows, width)
    return grouped.transpose(1, 2).flatten(0, 1)


def _joined(*parts: nn.Linear) -> nn.Linear:
    """The first linear layer, changed to give the outputs of all side by side."""
    joined = parts[0]  # a new layer would draw weights at random, only to lose them
    weight = torch.cat([part.weight.detach() for part in parts])
    joined.out_features, joined.weight = len(weight), nn.Parameter(weight, requires_grad=False)
    if joined.bias is not None:
        biases = [part.bias.detach() for part in parts]
        joined.bias = nn.Parameter(torch.cat(biases), requires_grad=False)
    return joined


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
