"""The whole of TrOCR: an image encoder and a text decoder (arXiv 2109.10282)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .checkpoint import KeyTable, NamePairs
from .config import ModelConfig, VisionEncoderDecoderConfig, read_config_json
from .decoder import TrOCRForCausalLM
from .decoding import Constraint, GenerateOutput, RepetitionGuard, generate
from .encoder import DeiTModel, ViTModel
from .errors import CheckpointError, UsageError
from .generation import DecoderSteps, GenerativeModel
from .generation_config import GenerationConfig
from .hub import resolve_folder
from .line_encoder import LineEncoder
from .outputs import EncoderOutput, Seq2SeqLMOutput, default
from .pretrained import PretrainedModel
from .special_tokens import IGNORED, check_labels

ENCODERS: dict[str, type[nn.Module]] = {
    "vit": ViTModel,
    "deit": DeiTModel,
    "trocr_line": LineEncoder,
}


class VisionEncoderDecoderModel(GenerativeModel):
    """Images to text.

    Args:
        config: both halves; freshly initialised parts are built from it.
        encoder, decoder: ready parts, with or without ``config``.

    Raises:
        UsageError: too few arguments, or a decoder that expects another encoder width.
    """

    config_class: ClassVar[type[ModelConfig]] = VisionEncoderDecoderConfig
    joins_rows: ClassVar[bool] = True  # what decoder_steps gives is JoinableSteps

    def __init__(
        self,
        config: VisionEncoderDecoderConfig | None = None,
        encoder: nn.Module | None = None,
        decoder: TrOCRForCausalLM | None = None,
    ) -> None:
        super().__init__()
        self.config = config = _joined_config(config, encoder, decoder)
        width = config.decoder.cross_attention_hidden_size
        if width is not None and width != config.encoder.hidden_size:
            raise UsageError(
                f"The decoder's cross_attention_hidden_size is {width}, but the encoder's "
                f"hidden_size is {config.encoder.hidden_size}.",
                "Make them equal, or set cross_attention_hidden_size to None.",
            )
        self.encoder = encoder or ENCODERS[config.encoder.model_type](config.encoder)
        self.decoder = decoder or TrOCRForCausalLM(config.decoder)
        self.encoder.config = config.encoder  # type: ignore[assignment]
        self.decoder.config = config.decoder
        self.enc_to_dec_proj = (
            nn.Linear(config.encoder.hidden_size, config.decoder.d_model)
            if width is None and config.encoder.hidden_size != config.decoder.d_model
            else None
        )
        self.init_generation()

    def setting_sources(self) -> tuple[ModelConfig, ...]:
        return self.config.decoder, self.config

    def get_encoder(self) -> nn.Module:
        return self.encoder

    def get_decoder(self) -> TrOCRForCausalLM:
        return self.decoder

    def get_input_embeddings(self) -> nn.Embedding:
        return self.decoder.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Linear:
        return self.decoder.get_output_embeddings()

    def forward(
        self,
        pixel_values: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: EncoderOutput | tuple[Tensor, ...] | None = None,
        past_key_values: Any = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput | tuple[Any, ...]:
        """Logits of the next token at every position, and the loss.

        Args:
            pixel_values: (batch, channels, height, width), from the processor.
            decoder_input_ids: (batch, length) int64; default: ``labels`` shifted right.
            decoder_attention_mask: (batch, past + length), 1 = real token, 0 = padding.
            encoder_outputs: of ``encode``, instead of ``pixel_values``; or a tuple of hidden
                states, all hidden states and attentions.
            past_key_values: the cache of the tokens before.
            decoder_inputs_embeds: (batch, length, d_model), instead of the ids.
            labels: (batch, length) int64, -100 = ignored.
            kwargs: ``decoder_...`` goes to the decoder without that prefix, the rest to the
                encoder, e.g. ``interpolate_pos_encoding`` or ``pixel_mask``.

        Raises:
            UsageError: neither images nor encoder outputs; no tokens and no labels; labels while
                no configuration has a ``decoder_start_token_id`` or ``pad_token_id``.
            CheckpointError: labels of another vocabulary.
        """
        prefix = "decoder_"
        inward = {
            "output_attentions": output_attentions,
            "output_hidden_states": output_hidden_states,
        }
        if encoder_outputs is None:
            options = {k: v for k, v in kwargs.items() if not k.startswith(prefix)}
            encoder_outputs = self.encode(pixel_values, **inward, **options)
        encoded = _as_encoder_output(encoder_outputs)
        if labels is not None and decoder_input_ids is None and decoder_inputs_embeds is None:
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        decoded = self.decoder(
            input_ids=decoder_input_ids,
            attention_mask=decoder_attention_mask,
            encoder_hidden_states=self._project(encoded.last_hidden_state),
            encoder_attention_mask=encoded.attention_mask,
            inputs_embeds=decoder_inputs_embeds,
            labels=labels,
            past_key_values=past_key_values,
            use_cache=use_cache,
            return_dict=True,
            **inward,
            **{k.removeprefix(prefix): v for k, v in kwargs.items() if k.startswith(prefix)},
        )
        output = Seq2SeqLMOutput(
            loss=decoded.loss,
            logits=decoded.logits,
            past_key_values=decoded.past_key_values,
            decoder_hidden_states=decoded.hidden_states,
            decoder_attentions=decoded.attentions,
            cross_attentions=decoded.cross_attentions,
            encoder_last_hidden_state=encoded.last_hidden_state,
            encoder_hidden_states=encoded.hidden_states,
            encoder_attentions=encoded.attentions,
            ctc_logits=encoded.ctc_logits,
        )
        return output if default(return_dict, self.config.return_dict) else output.to_tuple()

    def encode(self, pixel_values: Tensor | None, **options: Any) -> EncoderOutput:
        """Run the encoder alone; ``options`` are those of its ``forward``.

        Raises:
            UsageError: no images.
        """
        if pixel_values is None:
            raise UsageError(
                "You have to specify pixel_values.", "Or pass the encoder_outputs of encode()."
            )
        encoded: EncoderOutput = self.encoder(pixel_values, return_dict=True, **options)
        return encoded

    def decoder_steps(self, encoded: EncoderOutput, *, use_cache: bool = True) -> DecoderSteps:
        """The decoder over encoded images, as the ``StepModel`` that ``decoding`` searches."""
        states = self._project(encoded.last_hidden_state)
        return DecoderSteps(self.decoder, states, encoded.attention_mask, use_cache=use_cache)

    @torch.no_grad()
    def generate(
        self,
        pixel_values: Tensor | None = None,
        generation_config: GenerationConfig | None = None,
        *,
        encoder_outputs: EncoderOutput | tuple[Tensor, ...] | None = None,
        decoder_input_ids: Tensor | None = None,
        interpolate_pos_encoding: bool = False,
        pixel_mask: Tensor | None = None,
        constraint: Constraint | None = None,
        stop_repetition: RepetitionGuard | None = None,
        generator: torch.Generator | None = None,
        labels: Tensor | None = None,
        synced_gpus: bool = False,
        **overrides: Any,
    ) -> Tensor | GenerateOutput:
        """Write the text of images.

        ``generation_settings`` says which settings count. Without a limit the text runs to its
        end-of-sequence token or to the end of the position table.

        Args:
            pixel_values: (batch, channels, height, width), from the processor.
            encoder_outputs: of ``encode``, instead of ``pixel_values``; or a tuple, as in
                ``forward``.
            decoder_input_ids: (batch, length) int64 prompt without padding; the start token is
                put in front where no row begins with it. Default: the start token.
            interpolate_pos_encoding, pixel_mask: for the encoders that know them.
            constraint, stop_repetition, generator: see ``decoding.generate``.
            labels, synced_gpus: what the reference's Trainer gives besides; without effect on the
                text.
            overrides: any field of ``GenerationConfig``.

        Returns:
            (batch * num_return_sequences, length) int64 ids, prompt included; or, with
            ``return_dict_in_generate``, the whole ``GenerateOutput``.

        Raises:
            UsageError: no images, no start token, or settings that cannot work.
        """
        settings = self.generation_settings(generation_config, **overrides)
        if labels is not None:
            self._name_limit()
        if encoder_outputs is None:
            options: dict[str, Any] = {} if pixel_mask is None else {"pixel_mask": pixel_mask}
            if interpolate_pos_encoding:
                options["interpolate_pos_encoding"] = True
            encoder_outputs = self.encode(pixel_values, **options)
        encoded = _as_encoder_output(encoder_outputs)
        output = generate(
            self.decoder_steps(encoded, use_cache=settings.use_cache),
            self._prompt(settings, encoded.last_hidden_state, decoder_input_ids),
            settings,
            max_positions=self.config.decoder.max_position_embeddings,
            constraint=constraint,
            stop_repetition=stop_repetition,
            generator=generator,
        )
        return output if settings.return_dict_in_generate else output.sequences

    def _name_limit(self) -> None:
        """Write into ``generation_config`` where texts end anyway: the Trainer pads to there."""
        limit = self.generation_settings().max_length
        self.generation_config.max_length = limit or self.config.decoder.max_position_embeddings

    def _prompt(self, settings: GenerationConfig, states: Tensor, given: Tensor | None) -> Tensor:
        token = settings.decoder_start_token_id
        token = settings.bos_token_id if token is None else token
        if token is None:
            if given is not None:
                return given
            raise UsageError(
                "Neither decoder_start_token_id nor bos_token_id is set.",
                "Pass decoder_start_token_id, or decoder_input_ids.",
            )
        start = torch.full((len(states), 1), token, dtype=torch.int64, device=states.device)
        if given is None:
            return start
        return given if (given[:, 0] == token).any() else torch.cat((start, given), 1)

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """``labels`` moved one place to the right behind the start token, -100 as padding.

        The two tokens are those of ``config``; where it has none, those ``generate`` uses.

        Raises:
            UsageError: no configuration has a ``decoder_start_token_id`` or ``pad_token_id``.
            CheckpointError: labels of another vocabulary.
        """
        start, pad = (
            self._required_token(name) for name in ("decoder_start_token_id", "pad_token_id")
        )
        check_labels(labels, self.config.decoder.vocab_size, pad)
        shifted = torch.cat((torch.full_like(labels[:, :1], start), labels[:, :-1]), 1)
        return shifted.masked_fill(shifted == IGNORED, pad)

    def _required_token(self, name: str) -> int:
        token: int | None = getattr(self.config, name, None)
        if token is None:
            token = getattr(self.generation_settings(), name)
        if token is None:
            raise UsageError(
                f"Make sure to set the {name} attribute of the model's configuration.",
                "Take it from the tokenizer of the processor.",
            )
        return token

    def _project(self, states: Tensor) -> Tensor:
        return states if self.enc_to_dec_proj is None else self.enc_to_dec_proj(states)

    @classmethod
    def from_encoder_decoder_pretrained(
        cls, encoder_folder: str | Path, decoder_folder: str | Path, **options: Any
    ) -> VisionEncoderDecoderModel:
        """Join an encoder and a decoder from their own folders or hub ids.

        Args:
            options: as in ``from_pretrained``, for both.

        Raises:
            CheckpointError: a folder that cannot be loaded, or an encoder type that is not known.
        """
        where = {k: v for k, v in options.items() if k not in ("dtype", "torch_dtype")}
        encoder_folder = resolve_folder(encoder_folder, **where)
        model_type = read_config_json(encoder_folder).get("model_type", "")
        published = {k: c for k, c in ENCODERS.items() if issubclass(c, PretrainedModel)}
        if model_type not in published:
            raise CheckpointError(
                f"{encoder_folder} holds a {model_type!r} model, which is no published encoder.",
                f"Supported: {', '.join(sorted(published))}.",
            )
        encoder = published[model_type].from_pretrained(encoder_folder, **options)
        decoder = TrOCRForCausalLM.from_pretrained(decoder_folder, **options)
        return cls(encoder=encoder, decoder=decoder).eval()

    def tied_names(self) -> dict[str, str]:
        return {f"decoder.{k}": f"decoder.{v}" for k, v in self.decoder.tied_names().items()}

    def tie_weights(self) -> None:
        self.decoder.tie_weights()

    def untie_weights(self) -> None:
        self.decoder.untie_weights()

    def key_table(self) -> KeyTable:
        names: NamePairs = getattr(self.encoder, "published_names", ())
        return KeyTable(
            tuple((f"encoder.{ours}", f"encoder.{published}") for ours, published in names)
        )


def _joined_config(
    config: VisionEncoderDecoderConfig | None,
    encoder: nn.Module | None,
    decoder: TrOCRForCausalLM | None,
) -> VisionEncoderDecoderConfig:
    if config is None:
        if encoder is None or decoder is None:
            raise UsageError(
                "A model needs a configuration, or an encoder and a decoder.", "Give one of them."
            )
        encoder_config: Any = encoder.config
        config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(
            encoder_config, decoder.config
        )
    if not isinstance(config, VisionEncoderDecoderConfig):
        raise UsageError(
            f"The configuration is a {type(config).__name__}.",
            "It has to be a VisionEncoderDecoderConfig.",
        )
    # The embeddings that can be tied are the decoder's, and its own configuration says so.
    config.tie_word_embeddings = False
    return config


def _as_encoder_output(outputs: Any) -> EncoderOutput:
    """A tuple, or another library's output of the same names, as ours."""
    if isinstance(outputs, EncoderOutput):
        return outputs
    names = ("last_hidden_state", "hidden_states", "attentions")
    if not isinstance(outputs, tuple):
        outputs = [getattr(outputs, name, None) for name in names]
    return EncoderOutput(**dict(zip(names, outputs, strict=False)))
