"""What a read costs at least, from the shapes of the model: operations, and bytes of memory.

Operations are those of the matrix products and convolutions, two for each multiplication with
addition (Kaplan et al. 2020, arXiv 2001.08361, table 1, with attention over exactly the tokens
there are). Every text counts once, however it was found, and padding not at all, as in the model
FLOPs utilization of PaLM (arXiv 2204.02311, appendix B). Bytes are those of the weights, once a
pass, and of the cached keys and values, once a step of a search (Pope et al. 2022, arXiv
2211.05102, section 2); activations, and what is read again along a draft, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..config import PIXELS_PER_TOKEN, LineEncoderConfig, TrOCRConfig, VisionEncoderDecoderConfig
from ..model import VisionEncoderDecoderModel
from .stages import Stages


def read_operations(config: VisionEncoderDecoderConfig, lines: Iterable[tuple[int, int]]) -> float:
    """Operations of a read; ``lines``: source tokens and written tokens, the end included."""
    return sum(
        encoder_operations(config.encoder, source)
        + decoder_operations(config.decoder, config.encoder.hidden_size, source, written)
        for source, written in lines
    )


def encoder_operations(config: Any, tokens: int) -> float:
    """Operations for one line or picture of so many tokens."""
    layers: float = config.num_hidden_layers * (
        tokens * _layer_products(config.hidden_size, config.intermediate_size, 4)
        + 4 * tokens**2 * config.hidden_size
    )
    if isinstance(config, LineEncoderConfig):
        return layers + _stem(config, tokens) + _ctc_head(config, tokens)
    pixels = config.num_channels * _area(config.patch_size)
    patches = _area(config.image_size) // _area(config.patch_size)
    return layers + float(2 * patches * pixels * config.hidden_size)


def _layer_products(width: int, inner: int, projections: int) -> int:
    """Operations a token for so many square projections and a feed-forward."""
    return 2 * (projections * width**2 + 2 * width * inner)


def _stem(config: LineEncoderConfig, tokens: int) -> float:
    area = config.image_height * tokens * PIXELS_PER_TOKEN
    convolutions = sum(18 * into * out * area / less for into, out, less in _convolutions(config))
    return convolutions + 2 * tokens * _joined(config) * config.hidden_size


def _convolutions(config: LineEncoderConfig) -> tuple[tuple[int, int, int], ...]:
    """Channels in and out, and how much smaller the area is by then."""
    first, second, third, fourth = config.stem_channels
    return (
        (1, first, 4),
        (first, second, 16),
        (second, second, 16),
        (second, third, 32),
        (third, third, 32),
        (third, fourth, 64),
    )


def _joined(config: LineEncoderConfig) -> int:
    """Values of the stem that become one token."""
    rows, columns = config.image_height // 16, PIXELS_PER_TOKEN // 4
    return config.stem_channels[-1] * rows * columns


def _ctc_head(config: LineEncoderConfig, tokens: int) -> int:
    return 2 * tokens * config.hidden_size * config.ctc_frames_per_token * config.ctc_vocab_size


def _area(size: int | tuple[int, int] | list[int]) -> int:
    height, width = (size, size) if isinstance(size, int) else size
    return height * width


def decoder_operations(config: TrOCRConfig, encoder_width: int, source: int, written: int) -> float:
    """Operations for one text of ``written`` tokens about ``source`` states of the encoder."""
    width = config.d_model
    states_width = config.cross_attention_hidden_size or width
    projected = 0 if states_width == encoder_width else 2 * source * encoder_width * width
    products = _layer_products(width, config.decoder_ffn_dim, 6)  # self: 4, cross: query, output
    keys_values = 4 * states_width * width
    seen = written * (written + 1) / 2 + written * source
    layer = written * products + source * keys_values + 4 * width * seen
    vocabulary = 2 * written * width * config.vocab_size
    return projected + config.decoder_layers * layer + vocabulary


def read_bytes(model: VisionEncoderDecoderModel, stages: Stages) -> float:
    """Bytes that a read, as it was seen, takes from memory at least."""
    config: TrOCRConfig = model.config.decoder
    size = model.dtype.itemsize
    encoder = _encoder_weights(model.config.encoder)
    keys_values, step = _decoder_weights(config)
    weights = stages.batches * encoder + stages.draft_passes * (keys_values + step)
    weights += stages.further_passes * step
    cached = 0
    for search in stages.searches:
        weights += keys_values + step * search.passes
        for source, written in search.lines:
            cached += min(written, search.passes) * (source + (written + 1) // 2)
    return size * (weights + 2 * config.decoder_layers * config.d_model * cached)


def _encoder_weights(config: Any) -> int:
    """In matrices and convolutions."""
    width: int = config.hidden_size
    layers: int = (
        config.num_hidden_layers * _layer_products(width, config.intermediate_size, 4) // 2
    )
    if not isinstance(config, LineEncoderConfig):
        return layers + int(config.num_channels * _area(config.patch_size) * width)
    stem = sum(9 * into * out for into, out, _ in _convolutions(config)) + _joined(config) * width
    return layers + stem + _ctc_head(config, tokens=1) // 2


def _decoder_weights(config: TrOCRConfig) -> tuple[int, int]:
    """Of the keys and values about the picture, used once; and of a step, the matrices alone."""
    width = config.d_model
    states_width = config.cross_attention_hidden_size or width
    layer = _layer_products(width, config.decoder_ffn_dim, 6) // 2
    step = config.decoder_layers * layer + width * config.vocab_size
    return 2 * config.decoder_layers * states_width * width, step
