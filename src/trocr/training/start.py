"""The model that a run begins with: a fresh one, or another model's weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..bundled import bundled_folder
from ..config import LineEncoderConfig, ModelConfig, TrOCRConfig, VisionEncoderDecoderConfig
from ..errors import CheckpointError, UsageError
from ..model import VisionEncoderDecoderModel
from ..processor import TrOCRProcessor
from ..tokenizer import Tokenizer
from .config import TrainingConfig


def first_model(config: TrainingConfig, tokenizer: Tokenizer) -> VisionEncoderDecoderModel:
    """A line model for the vocabulary of ``tokenizer``, with the weights that a run begins with.

    Raises:
        UsageError: an unknown key in ``[model.encoder]`` or ``[model.decoder]``.
        CheckpointError: ``start_from`` is no model, or one of another shape or vocabulary;
            it may have more layers.
    """
    encoder_config = LineEncoderConfig(
        ctc_vocab_size=len(tokenizer),
        ctc_blank_token_id=tokenizer.pad_token_id,
        **_known(LineEncoderConfig, config.model.encoder, "encoder"),
    )
    decoder_config = TrOCRConfig(
        vocab_size=len(tokenizer),
        decoder_start_token_id=tokenizer.bos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        cross_attention_hidden_size=encoder_config.hidden_size,
        **_known(TrOCRConfig, config.model.decoder, "decoder"),
    )
    ids = {k: getattr(decoder_config, k) for k in ("decoder_start_token_id", "pad_token_id")}
    model = VisionEncoderDecoderModel(
        VisionEncoderDecoderConfig.from_encoder_decoder_configs(
            encoder_config, decoder_config, **ids
        )
    )
    model.generation_config = model.generation_config.merged(num_beams=config.model.num_beams)
    if config.model.start_from:
        _start_from(model, tokenizer, config)
    return model


def _known(cls: type[ModelConfig], given: dict[str, Any], name: str) -> dict[str, Any]:
    for key in given:
        if key not in cls.defaults():
            raise UsageError(
                f"Unknown key {key!r} in [model.{name}].",
                f"Known: {', '.join(sorted(cls.defaults()))}.",
            )
    return given


def _start_from(
    model: VisionEncoderDecoderModel, tokenizer: Tokenizer, config: TrainingConfig
) -> None:
    name = config.model.start_from
    folder = bundled_folder(name) or config.folder / name
    other = VisionEncoderDecoderModel.from_pretrained(folder)
    if TrOCRProcessor.from_pretrained(folder).tokenizer.get_vocab() != tokenizer.get_vocab():
        raise CheckpointError(
            f"{folder} has another vocabulary.", "Use the characters of its training.toml."
        )
    try:
        model.load_state_dict(_of_depth(model, other))
    except RuntimeError as error:
        raise CheckpointError(
            f"{folder} has another shape: {str(error).splitlines()[1].strip()}",
            "Use the [model.encoder] and [model.decoder] of its training.toml.",
        ) from None


def _of_depth(
    model: VisionEncoderDecoderModel, other: VisionEncoderDecoderModel
) -> dict[str, Tensor]:
    """The weights of ``other``; of stacks that are deeper than in ``model``, some layers.

    These are the last ones of as many groups of neighbours (after DistilBERT, arXiv 1910.01108).
    """
    state: dict[str, Tensor] = dict(other.state_dict())
    for stack in ("encoder.layers", "decoder.model.decoder.layers"):
        depth, deeper = (len(list(each.get_submodule(stack).children())) for each in (model, other))
        layers = [_pop(state, f"{stack}.{i}.") for i in range(deeper)]
        if depth < deeper:
            layers = [layers[(i + 1) * deeper // depth - 1] for i in range(depth)]
        for i, layer in enumerate(layers):
            state.update({f"{stack}.{i}.{name}": tensor for name, tensor in layer.items()})
    return state


def _pop(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    names = [name for name in state if name.startswith(prefix)]
    return {name.removeprefix(prefix): state.pop(name) for name in names}
