"""The TrOCR text decoder: a post-norm Transformer with cross-attention (arXiv 2109.10282, 3.2).

Module names are the published ones, so that its parameters are named as in the published files.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import (
    MultiHeadAttention,
    activation,
    causal_mask,
    padding_mask,
)
from .config import ModelConfig, TrOCRConfig
from .decoding import GenerateOutput, generate
from .errors import UsageError
from .generation import DecoderSteps, GenerativeModel
from .generation_config import GenerationConfig
from .kv_cache import KVCache, LayerCache
from .layer_stack import LayerStack
from .outputs import CausalLMOutput, DecoderOutput, default
from .positions import LearnedPositions, SinusoidalPositions


class TrOCRDecoderLayer(nn.Module):
    """Self-attention, cross-attention, feed-forward, each followed by residual and norm."""

    def __init__(self, config: TrOCRConfig) -> None:
        super().__init__()
        width, heads = config.d_model, config.decoder_attention_heads
        self.dropout = config.dropout
        self.activation_dropout = config.activation_dropout
        self.activation_fn = activation(config.activation_function)
        self.self_attn = MultiHeadAttention(width, heads, dropout=config.attention_dropout)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        if config.is_decoder:
            self.encoder_attn = MultiHeadAttention(
                width,
                heads,
                kv_dim=config.cross_attention_hidden_size,
                dropout=config.attention_dropout,
            )
            self.encoder_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, config.decoder_ffn_dim)
        self.fc2 = nn.Linear(config.decoder_ffn_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None,
        *,
        masks: dict[str, Any],
        encoder_mask: Tensor | None,
        cross_attn_head_mask: Tensor | None,
        cache: LayerCache | None,
        output_attentions: bool,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        states, self_weights = self.self_attn(
            hidden_states, cache=cache, output_attentions=output_attentions, **masks
        )
        hidden_states = self.self_attn_layer_norm(hidden_states + self._drop(states))
        cross_weights = None
        if encoder_hidden_states is not None:
            states, cross_weights = self.encoder_attn(
                hidden_states,
                encoder_hidden_states,
                cache=cache,
                attention_mask=encoder_mask,
                head_mask=cross_attn_head_mask,
                output_attentions=output_attentions,
            )
            hidden_states = self.encoder_attn_layer_norm(hidden_states + self._drop(states))
        states = self.activation_fn(self.fc1(hidden_states))
        if self.training:
            states = F.dropout(states, self.activation_dropout)
        states = self.fc2(states)
        hidden_states = self.final_layer_norm(hidden_states + self._drop(states))
        return hidden_states, self_weights, cross_weights

    def _drop(self, states: Tensor) -> Tensor:
        return F.dropout(states, self.dropout) if self.training else states


class TrOCRDecoder(LayerStack, nn.Module):
    """Token and position embeddings, then ``decoder_layers`` layers."""

    def __init__(self, config: TrOCRConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_scale = math.sqrt(config.d_model) if config.scale_embedding else 1.0
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model, config.pad_token_id)
        positions = config.max_position_embeddings
        self.embed_positions = (
            LearnedPositions(positions, config.d_model)
            if config.use_learned_position_embeddings
            else SinusoidalPositions(positions, config.d_model, config.pad_token_id)
        )
        self.layernorm_embedding = (
            nn.LayerNorm(config.d_model) if config.layernorm_embedding else None
        )
        self.layers = nn.ModuleList(TrOCRDecoderLayer(config) for _ in range(config.decoder_layers))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        past_key_values: KVCache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Tensor | None = None,
    ) -> DecoderOutput | tuple[Any, ...]:
        """See ``TrOCRForCausalLM.forward``; returns hidden states instead of logits."""
        config = self.config
        use_cache = (config.use_cache if use_cache is None else use_cache) and not self.recomputes
        if use_cache and past_key_values is None:
            past_key_values = KVCache(len(self.layers))
        past_length = past_key_values.get_seq_length() if past_key_values is not None else 0
        states = self._embed(input_ids, inputs_embeds, past_length, cache_position)
        masks = self._self_attention_masks(attention_mask, states, past_length)
        encoder_mask = None
        if encoder_hidden_states is not None and encoder_attention_mask is not None:
            encoder_mask = padding_mask(encoder_attention_mask, states.dtype)
        want_attentions = default(output_attentions, config.output_attentions)
        all_states = [states]
        self_attentions: list[Tensor] = []
        cross_attentions: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            if not self._skip_layer():
                states, self_weights, cross_weights = self.run_layer(
                    layer,
                    states,
                    encoder_hidden_states,
                    masks={**masks, "head_mask": None if head_mask is None else head_mask[index]},
                    encoder_mask=encoder_mask,
                    cross_attn_head_mask=(
                        None if cross_attn_head_mask is None else cross_attn_head_mask[index]
                    ),
                    cache=None if past_key_values is None else past_key_values.layers[index],
                    output_attentions=want_attentions,
                )
                self_attentions += [] if self_weights is None else [self_weights]
                cross_attentions += [] if cross_weights is None else [cross_weights]
            all_states.append(states)
        output = DecoderOutput(
            last_hidden_state=states,
            past_key_values=past_key_values,
            hidden_states=(
                tuple(all_states)
                if default(output_hidden_states, config.output_hidden_states)
                else None
            ),
            attentions=tuple(self_attentions) if want_attentions else None,
            cross_attentions=tuple(cross_attentions) or None,
        )
        return output if default(return_dict, config.return_dict) else output.to_tuple()

    def _embed(
        self,
        input_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        past_length: int,
        cache_position: Tensor | None,
    ) -> Tensor:
        if (input_ids is None) == (inputs_embeds is None):
            raise UsageError(
                "The decoder takes either input_ids or inputs_embeds.", "Give exactly one of them."
            )
        if inputs_embeds is None and input_ids is not None:
            inputs_embeds = self.embed_tokens(input_ids) * self.embed_scale
        assert inputs_embeds is not None
        length = inputs_embeds.shape[1]
        if cache_position is None:
            cache_position = torch.arange(
                past_length, past_length + length, device=inputs_embeds.device
            )
        else:
            past_length = int(cache_position.max()) + 1 - length
        self._check_length(past_length + length)
        positions = self.embed_positions(cache_position.reshape(-1, length), input_ids)
        states = inputs_embeds + positions.to(inputs_embeds.dtype)
        if self.layernorm_embedding is not None:
            states = self.layernorm_embedding(states)
        return F.dropout(states, self.config.dropout, self.training)

    def _check_length(self, length: int) -> None:
        if length > self.config.max_position_embeddings:
            raise UsageError(
                f"A sequence of {length} tokens is longer than the position table "
                f"({self.config.max_position_embeddings}).",
                "Shorten the text or set a smaller max_length.",
            )

    def _self_attention_masks(
        self, attention_mask: Tensor | None, states: Tensor, past_length: int
    ) -> dict[str, Any]:
        length = states.shape[1]
        if attention_mask is None and past_length == 0:
            return {"attention_mask": None, "is_causal": length > 1}
        if attention_mask is None and length == 1:
            return {"attention_mask": None, "is_causal": False}
        mask = causal_mask(length, past_length, states.dtype, states.device)
        if attention_mask is not None:
            mask = torch.minimum(mask, padding_mask(attention_mask, states.dtype))
        return {"attention_mask": mask, "is_causal": False}

    def _skip_layer(self) -> bool:
        """LayerDrop (arXiv 1909.11556)."""
        drop = self.config.decoder_layerdrop
        return self.training and drop > 0 and bool(torch.rand(()) < drop)


class TrOCRDecoderWrapper(nn.Module):
    """Keeps the published parameter prefix ``model.decoder``."""

    def __init__(self, config: TrOCRConfig) -> None:
        super().__init__()
        self.decoder = TrOCRDecoder(config)


class TrOCRForCausalLM(GenerativeModel):
    """The decoder with its language-model head.

    Args:
        config: its ``is_decoder`` is set: a cross-attending decoder is what TrOCR has.
    """

    config_class: ClassVar[type[ModelConfig]] = TrOCRConfig

    def __init__(self, config: TrOCRConfig) -> None:
        super().__init__()
        config.is_decoder = True
        self.config = config
        self.model = TrOCRDecoderWrapper(config)
        self.output_projection = nn.Linear(config.d_model, config.vocab_size, bias=False)
        self.apply(self._init_weights)
        self.tie_weights()
        self.init_generation()

    def tied_names(self) -> dict[str, str]:
        if not self.config.tie_word_embeddings:
            return {}
        return {"output_projection.weight": "model.decoder.embed_tokens.weight"}

    def tie_weights(self) -> None:
        """Share the output projection with the token embeddings where the config says so."""
        if self.config.tie_word_embeddings:
            self.output_projection.weight = self.model.decoder.embed_tokens.weight

    def untie_weights(self) -> None:
        self.config.tie_word_embeddings = False

    def get_input_embeddings(self) -> nn.Embedding:
        return self.model.decoder.embed_tokens

    def get_output_embeddings(self) -> nn.Linear:
        return self.output_projection

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        head_mask: Tensor | None = None,
        cross_attn_head_mask: Tensor | None = None,
        past_key_values: KVCache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache_position: Tensor | None = None,
    ) -> CausalLMOutput | tuple[Any, ...]:
        """Logits of the next token at every position.

        Args:
            input_ids: (batch, length) int64; or ``inputs_embeds`` (batch, length, d_model).
            attention_mask: (batch, past + length), 1 = real token, 0 = padding.
            encoder_hidden_states: (batch, source, width) to cross-attend to.
            encoder_attention_mask: (batch, source), 1 = real, 0 = padding.
            head_mask, cross_attn_head_mask: (layers, heads), 1 = keep, 0 = silence.
            past_key_values: the cache of the tokens before; ``use_cache`` creates one.
            labels: (batch, length) int64, not shifted, -100 = ignored.
            cache_position: (length,) or (batch, length) positions of the tokens; default: after
                the cache.

        Raises:
            UsageError: both or neither of the inputs, or a sequence past the position table.
        """
        decoded = self.model.decoder(
            input_ids=input_ids,
            attention_mask=attention_mask,
            encoder_hidden_states=encoder_hidden_states,
            encoder_attention_mask=encoder_attention_mask,
            head_mask=head_mask,
            cross_attn_head_mask=cross_attn_head_mask,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            cache_position=cache_position,
        )
        logits = self.output_projection(decoded.last_hidden_state)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())
        output = CausalLMOutput(
            loss=loss,
            logits=logits,
            past_key_values=decoded.past_key_values,
            hidden_states=decoded.hidden_states,
            attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
        )
        return output if default(return_dict, self.config.return_dict) else output.to_tuple()

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor,
        generation_config: GenerationConfig | None = None,
        *,
        encoder_hidden_states: Tensor | None = None,
        encoder_attention_mask: Tensor | None = None,
        generator: torch.Generator | None = None,
        **overrides: Any,
    ) -> Tensor | GenerateOutput:
        """Continue texts, with or without something to cross-attend to.

        Args:
            input_ids: (batch, length) int64 prompts without padding.
            encoder_hidden_states, encoder_attention_mask: as in ``forward``.
            generation_config, generator, overrides: as in ``VisionEncoderDecoderModel.generate``.

        Returns:
            (batch * num_return_sequences, length) int64 ids, prompt included; or, with
            ``return_dict_in_generate``, the whole ``GenerateOutput``.

        Raises:
            UsageError: settings that cannot work, or a prompt as long as the limit.
        """
        settings = self.generation_settings(generation_config, **overrides)
        steps = DecoderSteps(
            self, encoder_hidden_states, encoder_attention_mask, use_cache=settings.use_cache
        )
        limit = self.config.max_position_embeddings
        output = generate(steps, input_ids, settings, max_positions=limit, generator=generator)
        return output if settings.return_dict_in_generate else output.sequences

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.config.init_std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            with torch.no_grad():
                module.weight[module.padding_idx].zero_()
